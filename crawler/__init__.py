"""Reddit links -> pages -> documents: link sources, Scrapy spider, WARC archive, extraction."""
