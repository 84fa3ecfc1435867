"""Every route, on one page: what it answers, to whom, and in what form.

`/openapi.json`, `/docs` and the reference pages are made from this page. `permission` None: open to
everybody, because a link's token, a vendor's signature or nothing at all is needed there.
"""

from heedful.ledger import Permission
from heedful.web import api, bodies, hooks, pages, reads, shown, system
from heedful.web.app import Route

CHECK, RECORD, READ = Permission.CHECK, Permission.RECORD, Permission.READ

_IDEMPOTENT = (
    (
        "Idempotency-Key",
        "Makes a retry safe: the request id of the only item, and KEY/0, KEY/1 … of several, "
        "where they have none of their own.",
    ),
)
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")

ROUTES: tuple[Route, ...] = (
    Route("POST", "/v1/events", api.record, RECORD,
          "Record what was said: opt-outs, opt-ins, facts, links. Each item by itself.",
          body=bodies.EventsRequest, answer=bodies.EventsAnswer, headers=_IDEMPOTENT),
    Route("POST", "/v1/check", api.check, CHECK,
          "May these messages be sent? All at one moment of the history.",
          body=bodies.CheckRequest, answer=bodies.CheckAnswer),
    Route("GET", "/v1/subjects/{subject}", reads.subject, READ,
          "What stands for a subject: by scope, links, suppressions, and for each message.",
          answer=shown.SubjectAnswer, problems=(422,)),
    Route("GET", "/v1/subjects/{subject}/history", reads.history, READ,
          "Every event of a subject, oldest first.",
          answer=bodies.HistoryAnswer, problems=(422,)),
    Route("POST", "/v1/subjects/query", reads.query, READ,
          "The same as the GET, for callers behind proxies that log paths.",
          body=bodies.SubjectQuery, answer=shown.SubjectAnswer),
    Route("GET", "/v1/events", reads.feed, READ,
          "The change feed: every event after a cursor, without gaps.",
          query=reads.FeedQuery, answer=bodies.FeedAnswer, problems=(409,)),
    Route("GET", "/v1/events/stream", reads.feed_stream, READ,
          "The change feed as server-sent events.",
          query=reads.StreamQuery, media="text/event-stream", problems=(409,)),
    Route("POST", "/v1/sends", api.sends, RECORD,
          "Report what was sent, for caps, limits, and to know what a reply answers.",
          body=bodies.SendsRequest, answer=bodies.SendsAnswer),
    Route("POST", "/v1/stamp", api.stamp, CHECK,
          "The List-Unsubscribe headers and the link that an e-mail must carry.",
          body=bodies.StampRequest, answer=bodies.StampAnswer, problems=(404,)),
    Route("POST", "/hooks/{vendor}", hooks.receive, None,
          "A vendor's own webhooks, verified by its own signature.",
          media="*/*", takes=("*/*",), problems=(401, 404), limit=hooks.LIMIT),
    Route("GET", "/u/{token}", pages.look, None,
          "The page of an unsubscribe link. Changes nothing.",
          media="text/html", problems=(404, 429)),
    Route("POST", "/u/{token}", pages.leave, None,
          "One-click unsubscribe (RFC 8058), and the button of the link's page.",
          media="text/html", takes=_FORMS, problems=(404, 429), limit=pages.FORM_LIMIT),
    Route("GET", "/healthz", system.healthz, None,
          "Whether this process is alive.", answer=bodies.Health),
    Route("GET", "/readyz", system.readyz, None,
          "Whether it can do its work now: ledger, dispatcher, vendors.",
          answer=bodies.Readiness),
    Route("GET", "/metrics", system.metrics, None,
          "Counters for Prometheus: to this machine, or with a key that may read.",
          media="text/plain", problems=(401, 403)),
    Route("GET", "/openapi.json", system.openapi, None,
          "The description of this API (OpenAPI 3.1).", media="application/json"),
    Route("GET", "/docs", system.docs, None,
          "This API, to read and to try.", media="text/html"),
)  # fmt: skip


def listed() -> list[tuple[str, str, str, str]]:
    """Method, path, permission and summary of every route, for the reference pages."""
    return [(r.method, r.path, r.permission or "", r.summary) for r in ROUTES]
