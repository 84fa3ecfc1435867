"""What an operator sees of a running Heedful: one line of JSON for each thing that happened, and
counters. No address is in either: lines are masked on their way out, labels come from closed lists.

    from heedful import observe
    log = observe.logger(__name__)
    log.warning("vendor_refused", vendor="texter", seq=4711)
    observe.UNEXPECTED.labels("dispatcher").inc()
"""

import json
import logging
import re
import sys
from bisect import bisect_left
from collections.abc import Iterator, Mapping, MutableMapping
from itertools import accumulate
from typing import Any, TextIO

import structlog
from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Requests(Collector):
    """HTTP requests by route, method and status, and how long they took by route.

    Counted in plain dictionaries by the one thread that answers: the library's own counters, which
    lock for each, would cost a fast answer a tenth of its rate.
    """

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str, int], int] = {}
        self._seconds: dict[str, list[float]] = {}

    def note(self, route: str, method: str, status: int, seconds: float) -> None:
        what = route, method, status
        self._counts[what] = self._counts.get(what, 0) + 1
        row = self._seconds.get(route)
        if row is None:
            row = self._seconds[route] = [0.0] * (len(BUCKETS) + 2)
        row[bisect_left(BUCKETS, seconds)] += 1
        row[-1] += seconds

    def collect(self) -> Iterator[Metric]:
        counts = CounterMetricFamily(
            "heedful_http_requests",
            "Requests answered, by the route's template, method and status.",
            labels=("route", "method", "status"),
        )
        for (route, method, status), count in list(self._counts.items()):
            counts.add_metric((route, method, str(status)), count)
        yield counts
        seconds = HistogramMetricFamily(
            "heedful_http_seconds",
            "Seconds from a request's first byte to its answer's last, by the route's template.",
            labels=("route",),
        )
        for route, row in list(self._seconds.items()):
            *each, total = row
            bounds = [*(str(bound) for bound in BUCKETS), "+Inf"]
            seconds.add_metric((route,), list(zip(bounds, accumulate(each), strict=True)), total)
        yield seconds


class Decisions(Collector):
    """Decisions by outcome; counted as `Requests` is."""

    def __init__(self) -> None:
        self.counts = {"allow": 0, "deny": 0, "defer": 0}

    def collect(self) -> Iterator[Metric]:
        counts = CounterMetricFamily(
            "heedful_decisions", "Decisions given, by outcome.", labels=("outcome",)
        )
        for outcome, count in self.counts.items():
            counts.add_metric((outcome,), count)
        yield counts


class Tellings(Collector):
    """How long vendors took to be told; counted as `Requests` is, by the one thread that tells."""

    _BOUNDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 300, 3600, 86400)

    def __init__(self) -> None:
        self._rows: dict[str, list[float]] = {}

    def note(self, vendor: str, seconds: float) -> None:
        row = self._rows.get(vendor)
        if row is None:
            row = self._rows[vendor] = [0.0] * (len(self._BOUNDS) + 2)
        row[bisect_left(self._BOUNDS, seconds)] += 1
        row[-1] += seconds

    def collect(self) -> Iterator[Metric]:
        family = HistogramMetricFamily(
            "heedful_telling_seconds",
            "Seconds from the commit of an event to a vendor's answer that it was told.",
            labels=("vendor",),
        )
        bounds = [*(str(float(bound)) for bound in self._BOUNDS), "+Inf"]
        for vendor, row in list(self._rows.items()):
            *each, total = row
            counts = list(zip(bounds, accumulate(each), strict=True))
            family.add_metric((vendor,), counts, total)
        yield family


REQUESTS = Requests()
DECISIONS = Decisions()
TELLINGS = Tellings()
REGISTRY.register(REQUESTS)
REGISTRY.register(DECISIONS)
REGISTRY.register(TELLINGS)
RECORDED = Counter(
    "heedful_recorded_total",
    "Statements recorded through this process (repeats included), by the way they came in.",
    ("door",),
    registry=REGISTRY,
)
HOOKS = Counter(
    "heedful_hooks_total",
    "Webhooks received: heard, forged, or of an unknown shape (kept).",
    ("vendor", "result"),
    registry=REGISTRY,
)
INSTRUCTIONS = Counter(
    "heedful_instructions_total",
    "Vendors' answers: told, later, refused, overtaken or dead.",
    ("vendor", "answer"),
    registry=REGISTRY,
)
UNEXPECTED = Counter(
    "heedful_unexpected_total",
    "Errors that nobody foresaw, by the place that survived them. Each is in the log.",
    ("place",),
    registry=REGISTRY,
)


def metrics() -> bytes:
    """All counters in the text format of Prometheus."""
    return generate_latest(REGISTRY)


def logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger whose lines are JSON, masked. Without `set_up` it obeys the program around it."""
    bound: structlog.stdlib.BoundLogger = structlog.wrap_logger(
        logging.getLogger(name),
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
            structlog.processors.format_exc_info,
            _mask_all,
            structlog.processors.JSONRenderer(ensure_ascii=False, default=str),
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    return bound


def set_up(stream: TextIO | None = None, level: str = "INFO") -> None:
    """Send all lines, those of the libraries too, to one stream as JSON (standard error)."""
    to = logging.StreamHandler(stream or sys.stderr)
    to.setFormatter(_Line())
    root = logging.getLogger()
    root.handlers[:] = [to]
    root.setLevel("WARNING")
    logging.getLogger("heedful").setLevel(level)
    logging.captureWarnings(True)


class _Line(logging.Formatter):
    """Ours are JSON already; what other libraries log is put into the same form."""

    def format(self, record: logging.LogRecord) -> str:
        text = record.getMessage()
        if record.name.partition(".")[0] == "heedful":
            return text
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        line = {"logger": record.name, "level": record.levelname.lower(), "event": masked(text)}
        return json.dumps(line, ensure_ascii=False)


_ADDRESS = re.compile(
    r"""(?P<mail>[^\s@"'<>,:;=(]+(?:@|%40)[^\s@"'<>,;)]+\.\w+)
      | (?P<named>(?:push|contact|md5|sha256|tel|mailto):[^\s"',;]+)
      | (?P<link>/[up]/[\w-]{12,})
      | (?P<phone>(?:\+|%2B)\d[\d\ ().-]{5,}\d | (?<![\w.-])\d{10,15}(?![\w.-]))""",
    re.VERBOSE | re.IGNORECASE,
)


def masked(text: str) -> str:
    """The text with whatever looks like an address cut down to its ends.

    A net under the rule that nobody logs an address, not a licence to log one.

    >>> masked("no answer for +1 415 555 0100, ann@example.com or contact:crm-42")
    'no answer for …00, …om or …42'
    """
    return _ADDRESS.sub(lambda found: "/u/…" if found["link"] else f"…{found[0][-2:]}", text)


def _mask_all(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    for key, value in event.items():
        if key not in ("at", "level", "logger"):
            event[key] = _masked_value(value)
    return event


def _masked_value(value: Any) -> Any:
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, Mapping):
        return {masked(str(key)): _masked_value(held) for key, held in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_masked_value(held) for held in value]
    return value if value is None or isinstance(value, bool | int | float) else masked(str(value))
