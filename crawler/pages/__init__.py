"""Links -> pages: a polite Scrapy crawl, one outcome per link."""
