"""Files that are here, in S3, or both."""
