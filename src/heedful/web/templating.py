"""Pages out of templates, each with its style in it and a security policy that names just that."""

import base64
import hashlib
from functools import cache
from importlib.resources import files
from typing import Any

import jinja2
from markupsafe import Markup
from starlette.responses import Response


@cache
def _templates() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("heedful.web"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )


@cache
def inlined(name: str) -> tuple[Markup, str]:
    """A file of `static/`, to stand in a page, and its hash for the page's security policy."""
    text = (files("heedful.web") / "static" / name).read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return Markup(text), f"'sha256-{digest}'"


def page(status: int, template: str, policy: str, lang: str, **facts: Any) -> Response:
    """The page. `policy` is what it may load and do; by itself it may nothing."""
    return Response(
        _templates().get_template(template).render(facts),
        status,
        {
            "content-type": "text/html; charset=utf-8",
            "content-language": lang,
            "cache-control": "no-store",
            "referrer-policy": "no-referrer",
            "x-content-type-options": "nosniff",
            "x-robots-tag": "noindex",
            "content-security-policy": (
                f"default-src 'none'; base-uri 'none'; frame-ancestors 'none'; {policy}"
            ),
        },
    )
