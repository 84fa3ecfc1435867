"""What people see: the page of the link in a message. Works without JavaScript, on a phone, in the
reader's language, and asks nobody else for anything."""

from collections.abc import Callable
from typing import Any

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter
from starlette.responses import Response

from heedful import observe
from heedful.core.catalogue import Catalogue
from heedful.core.errors import InvalidLink, LedgerError
from heedful.core.scope import Channel
from heedful.intake import Look
from heedful.web.app import Call
from heedful.web.templating import inlined, page
from heedful.web.words import Words, words_for

log = observe.logger(__name__)

FORM_LIMIT = 16 * 1024
"""Bytes of a form. A one-click POST has 26, or some 150 as multipart."""
GUESSES = RateLimitItemPerMinute(30)
"""Links that do not work, opened from one address. One that works is never counted or refused."""

_guesses = FixedWindowRateLimiter(MemoryStorage())


async def look(call: Call) -> Response:
    """The page: what would stop, for whom, and one button. Changes nothing, however it is asked."""

    def looked(words: Words) -> Response:
        found = call.house.oneclick.look(call.params["token"], words.lang)
        return _shown(call, words, words.look_title, found, left=False)

    return await _answered(call, looked)


async def leave(call: Call) -> Response:
    """Stop it, after the commit. Mailboxes send `List-Unsubscribe=One-Click`, urlencoded or as
    multipart, the page's button the same; whatever is posted to a link that is ours means stop."""

    def left(words: Words) -> Response:
        found = call.house.oneclick.leave(call.params["token"], words.lang)
        return _shown(call, words, words.left_title, found.look, left=True)

    return await _answered(call, left)


def _shown(call: Call, words: Words, title: str, look: Look, *, left: bool) -> Response:
    brand = call.house.ledger.catalogue()
    return _page(200, "unsubscribe.html", words, title, brand, left=left, **_facts(look, words))


async def _answered(call: Call, work: Callable[[Words], Response]) -> Response:
    return await call.house.thread(_answer, call, work)


def _answer(call: Call, work: Callable[[Words], Response]) -> Response:
    """The page, or one that says in the reader's words that it did not work and what to do."""
    accepted = call.header(b"accept-language") or ""
    words, brand = words_for(accepted, ()), None
    try:
        brand = call.house.ledger.catalogue()
        words = words_for(accepted, brand.languages)
        return work(words)
    except InvalidLink:
        if _guesses.hit(GUESSES, call.client):
            return _sorry(404, words, words.sorry_title, words.sorry_link, brand)
        return _sorry(429, words, words.sorry_title, words.sorry_often, brand)
    except LedgerError as error:
        log.error("page_failed", code=error.code)
        return _sorry(503, words, words.later_title, words.sorry_closed, None)


def _sorry(
    status: int, words: Words, title: str, sentence: str, brand: Catalogue | None
) -> Response:
    return _page(status, "sorry.html", words, title, brand, sentence=sentence)


def _facts(look: Look, words: Words) -> dict[str, str]:
    every = words.all_emails if look.stops.channel is Channel.EMAIL else words.all_marketing
    return {"address": look.address, "what": look.topic or every}


def _page(
    status: int, template: str, words: Words, title: str, brand: Catalogue | None, **facts: Any
) -> Response:
    css, css_hash = inlined("page.css")
    policy = f"style-src {css_hash}; form-action 'self'"
    return page(
        status,
        template,
        policy,
        words.lang,
        words=words,
        title=title,
        brand=brand,
        css=css,
        **facts,
    )
