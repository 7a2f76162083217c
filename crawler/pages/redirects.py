"""Redirects of the crawl: by status and by meta refresh, never to where no link may lead."""

from typing import Self

from scrapy import Request, Spider
from scrapy.crawler import Crawler
from scrapy.downloadermiddlewares.redirect import (
    BaseRedirectMiddleware,
    MetaRefreshMiddleware,
    RedirectMiddleware,
)
from scrapy.exceptions import IgnoreRequest
from scrapy.http import Response

from crawler.links.rules import Rejection, Rules
from crawler.links.urls import NotAPageError, canonical_url
from crawler.pages.robots import IS_ROBOTS

# Where a browser finds the tag; later ones are text about HTML.
_META_WITHIN_BYTES = 4096


class TargetRefusedError(IgnoreRequest):
    """A redirect leads to an address that the recipe's rules leave out."""

    def __init__(self, rejection: Rejection) -> None:
        super().__init__(f"{rejection.reason}: {rejection.detail}")
        self.rejection = rejection


def check_target(redirected: Request, rules: Rules | None) -> Request:
    """Let a redirect pass, with the same rules as for links.

    Raises:
        TargetRefusedError: no link to that address would be followed.
    """
    if rules is None or IS_ROBOTS in redirected.meta:
        return redirected
    try:
        rejection = rules.reject_url(canonical_url(redirected.url))
    except NotAPageError as exc:
        rejection = Rejection(exc.reason, exc.detail)
    if rejection:
        raise TargetRefusedError(rejection)
    return redirected


class _Checked(BaseRedirectMiddleware):
    """Follows only where a link may lead; without a Referer, and without a warning about it."""

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """How Scrapy makes one."""
        self = cls(crawler.settings)
        self.crawler = crawler
        return self

    def process_response(
        self, request: Request, response: Response, spider: Spider | None = None
    ) -> Request | Response:
        """The request for the target, or the response if it is no redirect."""
        result = super().process_response(request, response)  # pyright: ignore - of the class after
        if not isinstance(result, Request):
            return result
        return check_target(result, self.crawler.spider.rules)  # pyright: ignore


class FollowRedirects(_Checked, RedirectMiddleware):
    """Redirects by status."""


class FollowMetaRefresh(_Checked, MetaRefreshMiddleware):
    """Redirects by `<meta http-equiv=refresh>`, for pages that mention one at all."""

    def process_response(
        self, request: Request, response: Response, spider: Spider | None = None
    ) -> Request | Response:
        """The request for the target, or the response if it is no redirect."""
        if b"refresh" not in response.body[:_META_WITHIN_BYTES].lower():
            return response
        return super().process_response(request, response)
