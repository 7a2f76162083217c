"""A new version of the unique documents, without what a benchmark holds."""
