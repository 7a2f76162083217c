"""The WARC archive of a crawl: written, read, replayed."""
