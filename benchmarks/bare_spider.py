"""The peer of `benchmarks.crawl`: a bare Scrapy spider, with Scrapy's own defaults.

    python -m benchmarks.bare_spider URLS CONCURRENCY PER_HOST [CONCURRENT_ITEMS]

It fetches the URLs in a file and counts the pages: no archive, no robots.txt, no checks.
"""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

from scrapy import Request, Spider
from scrapy.crawler import AsyncCrawlerProcess
from scrapy.http import Response


class BareSpider(Spider):
    """Fetches what it is told to."""

    name = "bare"
    num_pages = 0

    async def start(self) -> AsyncIterator[Request]:
        """Yield a request per line of the file."""
        for url in Path(sys.argv[1]).read_text().splitlines():
            yield Request(url, dont_filter=True)

    def parse(self, response: Response) -> None:
        """Count a page."""
        type(self).num_pages += response.status == 200


def main() -> None:
    """Crawl, and print the number of pages."""
    process = AsyncCrawlerProcess(
        {
            "CONCURRENT_REQUESTS": int(sys.argv[2]),
            "CONCURRENT_REQUESTS_PER_DOMAIN": int(sys.argv[3]),
            "LOG_LEVEL": "WARNING",
            **({"CONCURRENT_ITEMS": int(sys.argv[4])} if len(sys.argv) > 4 else {}),
        }
    )
    process.crawl(BareSpider)
    process.start()
    print(BareSpider.num_pages)


if __name__ == "__main__":
    main()
