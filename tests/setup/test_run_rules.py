"""The rules of a test run: nothing goes missing unseen, and nothing stays behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.setup.postgres import NoServer, programs

ROOT = Path(__file__).parents[2]


def start(folder: Path, tests: str, *words: str, **env: str) -> subprocess.Popen[str]:
    """A run of its own over `tests`, with this project's rules; says all on stdout."""
    (folder / "test_it.py").write_text(tests)
    given = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"}
    return subprocess.Popen(
        [
            *(
                sys.executable,
                "-m",
                "pytest",
                "-s",
                "-p",
                "tests.conftest",
                "-p",
                "no:cacheprovider",
            ),
            *("-c", str(ROOT / "pyproject.toml"), f"--rootdir={folder}", str(folder), *words),
        ],
        cwd=folder,
        env=given | env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def run(folder: Path, tests: str, *words: str, **env: str) -> tuple[int, str]:
    process = start(folder, tests, *words, **env)
    said, _ = process.communicate(timeout=60)
    return process.returncode, said


SKIPS = """
import pytest
def test_one(): pass
def test_two(): pytest.skip("no printer here")
"""

READS = """
def test_one(): pass
def test_two(corpora): assert (corpora / "here").exists()
"""


def test_a_skip_fails_the_run_in_ci_only(tmp_path: Path) -> None:
    assert run(tmp_path, SKIPS)[0] == 0
    status, said = run(tmp_path, SKIPS, CI="true", HEEDFUL_CORPORA=str(tmp_path))
    assert status == 1
    assert "Failed, because tests were skipped" in said
    assert "no printer here" in said


def test_corpus_tests_are_left_out_and_counted(tmp_path: Path) -> None:
    status, said = run(tmp_path, READS)
    assert status == 0
    assert "1 corpus test was left out: HEEDFUL_CORPORA is not set" in said
    (tmp_path / "here").touch()
    status, said = run(tmp_path, READS, HEEDFUL_CORPORA=str(tmp_path), CI="true")
    assert status == 0
    assert "2 passed" in said
    assert "left out" not in said


@pytest.mark.parametrize(
    ("env", "sentence"),
    [
        ({"HEEDFUL_CORPORA": "/nowhere"}, "HEEDFUL_CORPORA is '/nowhere', and no such folder"),
        ({"CI": "true"}, "CI is true and HEEDFUL_CORPORA is not set"),
    ],
)
def test_corpora_that_should_be_there_and_are_not_fail_the_run(
    tmp_path: Path, env: dict[str, str], sentence: str
) -> None:
    status, said = run(tmp_path, READS, **env)
    assert status != 0
    assert sentence in said
    assert "No test was run" in said


def test_soak_tests_run_when_asked_for_and_alone(tmp_path: Path) -> None:
    tests = "import pytest\ndef test_a(): pass\n@pytest.mark.soak\ndef test_b(): pass\n"
    _, said = run(tmp_path, tests)
    assert "1 passed, 1 deselected" in said
    assert "1 soak test was left out" in said
    assert "1 passed, 1 deselected" in run(tmp_path, tests, "--soak")[1]


def test_missing_chromium_fails_with_a_sentence(tmp_path: Path) -> None:
    status, said = run(tmp_path, "def test_a(page): pass", CHROMIUM="/nowhere/chromium")
    assert status == 1
    assert "CHROMIUM is '/nowhere/chromium', which is no program" in said


@pytest.mark.parametrize("order", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_our_postgres_ends_with_the_run(tmp_path: Path, order: signal.Signals) -> None:
    try:
        programs()
    except NoServer:
        pytest.skip("there is no PostgreSQL of our own here, only HEEDFUL_TEST_PG")
    process = start(
        tmp_path,
        "import time\n"
        "def test_a(postgres_dsn):\n"
        "    print('DSN', postgres_dsn, flush=True)\n"
        "    time.sleep(60)\n",
    )
    assert process.stdout is not None
    line = next(line for line in process.stdout if "DSN " in line)
    folder = Path(line.split("host=")[1].split("&")[0])
    server = int((folder / "data/postmaster.pid").read_text().split()[0])
    process.send_signal(order)
    process.communicate(timeout=40)

    until = time.monotonic() + 20
    while Path(f"/proc/{server}").exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert not Path(f"/proc/{server}").exists()
    # Killed outright, we cannot clear up; the folder is in /tmp and holds nothing of value.
    if order is signal.SIGKILL:
        subprocess.run(["rm", "-rf", str(folder)], check=True)
    assert not folder.exists()
