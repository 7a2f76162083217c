"""A corpus and the new documents of a later round -> the documents of both."""
