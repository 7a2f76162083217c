"""Scrapy's settings for a crawling process: polite, small, and with all off that it need not do."""

from importlib.metadata import version

from crawler.pages.settings import CrawlJob

AGENT = "webtext"
"""The name that a robots.txt may address."""


def user_agent(contact: str) -> str:
    """What we call ourselves: `webtext/0.2.0 (+you@example.org)`."""
    return f"{AGENT}/{version('webtext')} (+{contact or 'replay'})"


def scrapy_settings(job: CrawlJob) -> dict[str, object]:
    """The settings for a job."""
    config = job.config
    settings: dict[str, object] = {
        "USER_AGENT": user_agent(config.contact),
        "ROBOTSTXT_USER_AGENT": AGENT,
        "CONCURRENT_REQUESTS": config.concurrency,
        "CONCURRENT_REQUESTS_PER_DOMAIN": config.per_host_concurrency,
        "DOWNLOAD_DELAY": config.per_host_delay_s,
        "DOWNLOAD_TIMEOUT": config.timeout_s,
        "DNS_TIMEOUT": min(config.timeout_s, 10),
        "DOWNLOAD_MAXSIZE": config.max_body_bytes,
        "REDIRECT_MAX_TIMES": config.max_redirects,
        "DOWNLOADER_MIDDLEWARES_BASE": _middlewares(job),
        **_FIXED,
    }
    # Behind a replay proxy the proxy, on the loopback, is the only address that is looked up.
    if job.proxy is None and not config.allow_private:
        settings["TWISTED_DNS_RESOLVER"] = "crawler.pages.safety.SafeResolver"
    return settings


def _middlewares(job: CrawlJob) -> dict[str, int]:
    """Requests pass from low numbers to high, responses back; the network is behind the last."""
    scrapy = "scrapy.downloadermiddlewares"
    middlewares = {
        f"{scrapy}.downloadtimeout.DownloadTimeoutMiddleware": 350,
        f"{scrapy}.defaultheaders.DefaultHeadersMiddleware": 400,
        f"{scrapy}.useragent.UserAgentMiddleware": 500,
        "crawler.pages.redirects.FollowMetaRefresh": 580,
        "crawler.pages.middlewares.DecodeBodies": 590,
        "crawler.pages.redirects.FollowRedirects": 600,
        "crawler.pages.middlewares.ArchiveExchanges": 950,
    }
    if not job.config.allow_private:
        middlewares["crawler.pages.safety.RefusePrivateHosts"] = 10
    if job.config.obey_robots:
        middlewares["crawler.pages.robots.ObeyRobots"] = 100
    if job.config.obey_opt_outs:
        middlewares["crawler.pages.opt_outs.ObeyOptOuts"] = 110
    return middlewares


_FIXED: dict[str, object] = {
    # An HTTP server that runs the Python posted to it, and a telnet console: both on by default.
    "REMOTE_CONTROL_ENABLED": False,
    "TELNETCONSOLE_ENABLED": False,
    # A link to file:///etc/passwd is fetched otherwise.
    "DOWNLOAD_HANDLERS_BASE": {
        "http": "crawler.pages.download.BroadDownloadHandler",
        "https": "crawler.pages.download.BroadDownloadHandler",
    },
    # Nothing here follows links, logs to the console or collects statistics: without them a page
    # costs a tenth less.
    "SPIDER_MIDDLEWARES_BASE": {},
    "EXTENSIONS_BASE": {},
    "STATS_CLASS": "scrapy.statscollectors.DummyStatsCollector",
    # On asyncio Scrapy makes this many tasks per response; nothing here awaits.
    "CONCURRENT_ITEMS": 1,
    # The frontier is the queue; what Scrapy queues are redirects, a few at a time. Its own
    # default looks at every host on each turn.
    "SCHEDULER_PRIORITY_QUEUE": "scrapy.pqueues.ScrapyPriorityQueue",
    "DUPEFILTER_CLASS": "scrapy.dupefilters.BaseDupeFilter",
    "DOWNLOAD_DELAY_JITTER": 0,
    "DOWNLOAD_WARNSIZE": 0,
    "METAREFRESH_MAXDELAY": 5,
    "REACTOR_THREADPOOL_MAXSIZE": 32,
    "LOG_LEVEL": "INFO",
    "LOG_VERSIONS": [],
    "STATS_DUMP": False,
}
