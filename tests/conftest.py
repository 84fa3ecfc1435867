"""What every test may ask for, and the rules of a test run.

Fixtures
    postgres_dsn        a PostgreSQL server that we may fill with databases (session)
    postgres_url        an empty database in it          sqlite_url   a file that is not there yet
    database_url        one test becomes two: on SQLite and on PostgreSQL
    new_database_url    for tests that need several: each call gives another, on the same engine
    chromium            where the browser is and how to start it
    browser, page       a real Chromium by Playwright, a fresh page in it
    corpora             the folder of the corpora

Rules
    Tests that ask for `corpora` are left out, and counted, if $HEEDFUL_CORPORA is not set.
    Tests marked `soak` run in `./run soak` only.
    Where CI=true, a skipped test fails the run: a part that is missing must be seen.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import pytest

from tests.setup import corpora as _corpora
from tests.setup.chromium import Chromium, NoBrowser, find
from tests.setup.postgres import NoServer, fresh_database, own_cluster

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

left_out = pytest.StashKey[dict[str, int]]()
skipped = pytest.StashKey[list[str]]()


# --- the run ------------------------------------------------------------------------------


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--soak", action="store_true", help="run the tests marked soak, and only these"
    )


def pytest_configure(config: pytest.Config) -> None:
    try:
        _corpora.folder()
    except _corpora.NoCorpora as missing:
        raise pytest.UsageError(str(missing)) from None
    config.stash[left_out] = {"corpus": 0, "soak": 0}
    config.stash[skipped] = []
    # Told to end, end as after Ctrl-C: servers are stopped and folders deleted.
    for order in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(order, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt(signal.Signals(number).name)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    kept, out = [], []
    soaking = config.getoption("--soak")
    here = _corpora.folder() is not None
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        if "corpora" in fixtures:
            item.add_marker("corpus")
        if "browser" in fixtures:
            item.add_marker("browser")
        if bool(item.get_closest_marker("soak")) != soaking:
            config.stash[left_out]["soak"] += not soaking
            out.append(item)
        elif item.get_closest_marker("corpus") and not here:
            config.stash[left_out]["corpus"] += 1
            out.append(item)
        else:
            kept.append(item)
    if out:
        config.hook.pytest_deselected(items=out)
        items[:] = kept


def _note_skip(report: pytest.TestReport | pytest.CollectReport, notes: list[str]) -> None:
    # An expected failure is reported as skipped too; the suite has none, see tests/house.
    if report.skipped and isinstance(report.longrepr, tuple):
        notes.append(f"{report.nodeid}: {report.longrepr[2]}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    _note_skip(report, item.config.stash[skipped])
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[None]:
    report = yield
    _note_skip(report, collector.config.stash[skipped])
    return report


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    ended_well = session.exitstatus == pytest.ExitCode.OK
    if os.environ.get("CI") == "true" and session.config.stash[skipped] and ended_well:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if n := config.stash[left_out]["corpus"]:
        terminalreporter.write_line(
            f"{n} corpus test{'s were' if n > 1 else ' was'} left out: "
            "HEEDFUL_CORPORA is not set to the folder of the corpora.",
            yellow=True,
        )
    if n := config.stash[left_out]["soak"]:
        terminalreporter.write_line(
            f"{n} soak test{'s were' if n > 1 else ' was'} left out: ./run soak runs them."
        )
    if os.environ.get("CI") == "true" and config.stash[skipped]:
        terminalreporter.write_line(
            "Failed, because tests were skipped, and with CI=true each must run:", red=True
        )
        for note in config.stash[skipped]:
            terminalreporter.write_line(f"  {note}", red=True)


# --- databases ----------------------------------------------------------------------------


@pytest.fixture(scope="session")
def postgres_dsn() -> Iterator[str]:
    """A server of our own, or the one that $HEEDFUL_TEST_PG names: databases may be made in it."""
    if named := os.environ.get("HEEDFUL_TEST_PG"):
        yield named
        return
    with ExitStack() as stack:
        try:
            dsn = stack.enter_context(own_cluster())
        except NoServer as missing:
            pytest.fail(str(missing), pytrace=False)
        yield dsn


@pytest.fixture
def postgres_url(postgres_dsn: str) -> Iterator[str]:
    """An empty PostgreSQL database, gone after the test."""
    with fresh_database(postgres_dsn) as url:
        yield url


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A SQLite file that is not there yet."""
    return f"sqlite:///{tmp_path}/heedful.db"


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest) -> str:
    """Which engine this turn of the test is on."""
    return str(request.param)


@pytest.fixture
def new_database_url(
    engine: str, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Callable[[], str]]:
    """Each call gives the URL of another empty database on the turn's engine."""
    with ExitStack() as stack:
        count = 0

        def new() -> str:
            nonlocal count
            count += 1
            if engine == "sqlite":
                return f"sqlite:///{tmp_path}/heedful-{count}.db"
            return stack.enter_context(fresh_database(request.getfixturevalue("postgres_dsn")))

        yield new


@pytest.fixture
def database_url(new_database_url: Callable[[], str]) -> str:
    """An empty database; the test runs once on each engine."""
    return new_database_url()


# --- the browser --------------------------------------------------------------------------


@pytest.fixture(scope="session")
def chromium() -> Chromium:
    """Where the browser is and how it must be started here."""
    try:
        return find()
    except NoBrowser as missing:
        pytest.fail(str(missing), pytrace=False)


# One a module, not one a session: while Playwright's synchronous half is in use, its event loop
# counts as running in this thread, and every later asyncio.run() would be refused.
@pytest.fixture(scope="module")
def browser(chromium: Chromium) -> Iterator[Browser]:
    """A real Chromium, without a window."""
    from playwright.sync_api import Error, sync_playwright

    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(
                executable_path=chromium.path,
                args=list(chromium.args),
                chromium_sandbox=chromium.sandbox,
            )
        except Error as refusal:
            advice = (
                " It could make no sandbox for this user: run the tests as root, or let users "
                "make namespaces (sysctl kernel.unprivileged_userns_clone=1)."
                if "sandbox" in refusal.message.lower() and chromium.sandbox
                else ""
            )
            pytest.fail(f"{chromium.path} did not start.{advice}\n{refusal.message}", pytrace=False)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page in a profile of its own: no cookies, nothing stored."""
    context = browser.new_context()
    yield context.new_page()
    context.close()


# --- the corpora --------------------------------------------------------------------------


@pytest.fixture(scope="session")
def corpora() -> Path:
    """The folder of the corpora. A test that asks for it is left out where there is none."""
    folder = _corpora.folder()
    assert folder is not None, "tests that ask for the corpora are left out without them"
    return folder
