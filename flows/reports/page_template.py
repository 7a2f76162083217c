"""The templates of the HTML pages: what is filled in is text, never markup."""

from pathlib import Path

import jinja2

_MAX_HREF_CHARS = 500


def page_template(name: str) -> jinja2.Template:
    """The template `flows/reports/NAME.html.j2`.

    Raises:
        jinja2.TemplateNotFound: there is none.
    """
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined
    )
    environment.tests["web_address"] = _is_web_address
    return environment.get_template(f"{name}.html.j2")


def _is_web_address(key: str) -> bool:
    """Whether to make a link of it: a key may be `javascript:...`, and of any length."""
    return key.startswith(("http://", "https://")) and len(key) <= _MAX_HREF_CHARS
