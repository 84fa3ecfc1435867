"""Puts the house together: one ledger, and the rooms around it.

with House.open(Settings.of(os.environ)) as house:
    house.gate.ask(…)
    house.door.say(…)
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from heedful import observe
from heedful.config import Keys, Settings, sqlite_file
from heedful.core import brand, succession
from heedful.core.catalogue import Catalogue
from heedful.core.errors import InvalidBrand, LedgerError
from heedful.core.instant import Instant
from heedful.gate import Gate
from heedful.intake import Door, Hooks, Links, OneClick
from heedful.ledger import Ledger
from heedful.tokens import DecisionTokens
from heedful.vendors import findings

if TYPE_CHECKING:
    from heedful.fanout import Dispatcher, VendorStatus

_LOG = observe.logger(__name__)
P = ParamSpec("P")
T = TypeVar("T")

THREADS = 8
"""Threads for what waits: PostgreSQL, commits of whole batches, webhooks. Each holds one
connection to the ledger."""


STOPPING = 10.0
"""Seconds in which instructions under way are finished when the house closes."""


def now() -> Instant:
    return time.time_ns() // 1000


class House:
    """The rooms around one ledger, each made when it is first entered."""

    def __init__(self, settings: Settings, keys: Keys, ledger: Ledger) -> None:
        self.settings, self.keys, self.ledger = settings, keys, ledger
        self.gate = Gate(ledger)
        self.reads_at_once = sqlite_file(settings.database) is not None
        self._dispatcher: Dispatcher | None = None

    @classmethod
    def open(cls, settings: Settings, *, create: bool = False) -> "House":
        """Open the ledger with its keys. WrongKeys or LedgerUnavailable where that fails."""
        keys = Keys.load(settings.keys)
        return cls(settings, keys, Ledger.open(settings.database, keys, create=create))

    @classmethod
    def made(cls, settings: Settings) -> "House":
        """Open it, and make what is missing: keys and ledger together.

        Keys are written before the ledger that needs them, and taken away again if there already
        is a ledger that they do not fit.
        """
        fresh = not settings.keys.exists()
        if fresh:
            Keys.make(now()).save(settings.keys)
        try:
            return cls.open(settings, create=True)
        except BaseException:
            if fresh:
                settings.keys.unlink(missing_ok=True)
            raise

    def close(self) -> None:
        """Finish what was begun: instructions under way, and every commit that was asked for."""
        if self._dispatcher is not None:
            self._dispatcher.stop(STOPPING)
            self._checkpoint()
        if "_pool" in self.__dict__:
            self._pool.shutdown(wait=True)
        self.ledger.close()

    def __enter__(self) -> "House":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- the rooms -------------------------------------------------------------------------

    @cached_property
    def door(self) -> Door:
        return Door(self.ledger)

    @cached_property
    def links(self) -> Links:
        return Links(self.keys, lambda: Keys.load(self.settings.keys))

    @cached_property
    def oneclick(self) -> OneClick:
        return OneClick(self.door, self.links)

    @cached_property
    def hooks(self) -> Hooks:
        return Hooks(self.door)

    @cached_property
    def tokens(self) -> DecisionTokens:
        return DecisionTokens(self.keys)

    @property
    def trusted_proxies(self) -> tuple[str, ...]:
        return self.ledger.catalogue().trusted_proxies

    # --- waiting without standing in the way -----------------------------------------------

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(THREADS, thread_name_prefix="heedful")

    async def read(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """A short read. On a file it takes microseconds and is done at once; a server across a
        network is waited for in a thread."""
        if self.reads_at_once:
            return work(*args, **kwargs)
        return await self.thread(work, *args, **kwargs)

    async def thread(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Anything that may take longer."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, lambda: work(*args, **kwargs))

    # --- telling the vendors ---------------------------------------------------------------

    def start_dispatching(self) -> None:
        """Tell the vendors from here, on a thread of its own, until `close`."""
        from heedful.fanout import Dispatcher

        self._dispatcher = Dispatcher(self.ledger)
        self._dispatcher.start()
        self._checkpoint()

    def _checkpoint(self) -> None:
        """Sign the head, here and in the log: a history that is cut off later does not fit it."""
        try:
            made = self.ledger.checkpoint()
        except LedgerError as error:
            _LOG.warning("no_checkpoint", code=error.code)
        else:
            _LOG.info("checkpoint", seq=made.seq, hash=made.hash, key=made.key)

    def dispatching(self) -> str:
        """`running`, `stopped` (it should run, and does not), or `elsewhere`."""
        if self._dispatcher is None:
            return "elsewhere"
        return "running" if self._dispatcher.alive else "stopped"

    def vendors(self) -> "Sequence[VendorStatus]":
        """Who has been told, and who has not."""
        from heedful.fanout import status

        return status(self.ledger)

    # --- the brand -------------------------------------------------------------------------

    def apply_brand(
        self, path: Path, by: str, *, reason: str | None = None, yes: bool = False
    ) -> tuple[Catalogue, bool]:
        """Put brand.toml in force. The catalogue with its number, and whether it is a new version.

        InvalidBrand, if there are faults in it; BrandRefused, if it may not follow the one in
        force. `yes`, with a reason that is kept, allows what loosens, and never what is forbidden.
        """
        fresh = read_brand(path)
        head = self.ledger.head()
        if not head.catalogue:
            return self.ledger.apply(fresh, by, reason, after=head), True
        last = self.ledger.catalogue(head.catalogue)
        if last.text == fresh.text:
            return last, False
        held, untold = self.ledger.held(), self._untold()

        def judge(since: frozenset[str] = frozenset()) -> None:
            known = replace(held, opt_outs=held.opt_outs | since)
            succession.check(last, fresh, known, accept=yes, untold=untold)

        judge()
        return self.ledger.apply(fresh, by, reason, after=head, judge=judge), True

    def _untold(self) -> dict[str, int]:
        """How much each vendor has yet to be told of."""
        return {v.vendor: v.behind + v.waiting + v.dead for v in self.vendors()}


def read_brand(path: Path) -> Catalogue:
    """The catalogue that a brand.toml says, its vendors looked at too. InvalidBrand with every
    fault, also where the file cannot be read."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidBrand(
            [f"{path} cannot be read: {error}. `heedful init` writes one to start from."]
        ) from None
    catalogue = brand.parse(text)
    if faults := findings(catalogue):
        raise InvalidBrand(faults)
    return catalogue
