"""`run` by itself: what it makes, keeps, makes anew and refuses.

Python, pip, apt-get and id are stand-ins here, which write down what they are asked, so that
each case takes a moment. tests/setup/ proves the same with the real ones.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from importlib.metadata import distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# What run may use; all of it is on every Debian.
TOOLS = [
    "cat",
    "cksum",
    "chmod",
    "cp",
    "dirname",
    "env",
    "flock",
    "grep",
    "ls",
    "mkdir",
    "mv",
    "rm",
    "sed",
    "sh",
    "true",
    "unshare",
]

PYTHON = r"""#!/bin/sh
echo "python $*" >>"$STAND_IN_LOG"
case "$*" in
    "-I -c "*) [ -n "${STAND_IN_OLD:-}" ] && exit 1; echo "${STAND_IN_VERSION:-3 11 2 cpython /usr}" ;;
    "-m venv --without-pip "*)
        mkdir -p "$4/bin" && cp "$0" "$4/bin/python" && echo "executable = $0" >"$4/pyvenv.cfg" ;;
    "-m venv "*)
        [ -n "${STAND_IN_NO_VENV:-}" ] && [ ! -f "$STAND_IN_LOG.venv" ] && exit 1
        mkdir -p "$3/bin" && cp "$0" "$3/bin/python" && echo "executable = $0" >"$3/pyvenv.cfg" ;;
    *" --version") [ -z "${STAND_IN_NO_PIP:-}" ] ;;
    *--require-hashes*) [ -z "${STAND_IN_BROKEN_NETWORK:-}" ] ;;
    *--editable*)
        where=${0%/bin/*}
        case "$*" in *--python*) where=${4%/bin/*} ;; esac
        printf '%s\n' '#!/bin/sh' 'echo "heedful $*"' 'env | grep ^HEEDFUL_' >"$where/bin/heedful"
        chmod +x "$where/bin/heedful" ;;
    "-m pytest"*) echo "pytest ran" ;;
esac
"""


class Checkout:
    """A checkout with stand-ins for all that takes time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "a checkout"
        self.log = folder / "log"
        self.bin = folder / "bin"
        self.folder.mkdir()
        self.bin.mkdir()
        for name in ("run", "constraints.txt", "constraints-test.txt", "pyproject.toml"):
            shutil.copy(ROOT / name, self.folder)
        for tool in TOOLS:
            (self.bin / tool).symlink_to(shutil.which(tool, path="/usr/bin:/bin") or tool)
        self.stand_in("python3", PYTHON)
        self.be(1000)

    def stand_in(self, name: str, script: str) -> None:
        file = self.bin / name
        file.write_text(script)
        file.chmod(0o755)

    def be(self, uid: int) -> None:
        self.stand_in("id", f'#!/bin/sh\n[ "$1" = -u ] && echo {uid} || echo ann\n')

    def run(self, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
        """./run in a bare environment, from another directory; the log holds this run only."""
        self.log.write_text("")
        return subprocess.run(
            [str(self.folder / "run"), *words],
            env={"PATH": str(self.bin), "STAND_IN_LOG": str(self.log), **env},
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )

    @property
    def asked(self) -> str:
        """What the stand-ins were asked in the last run."""
        return self.log.read_text()


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


@pytest.fixture
def ready(checkout: Checkout) -> Checkout:
    """A checkout that has been started once."""
    done = checkout.run("up")
    assert done.returncode == 0, done.stderr
    return checkout


def test_first_start_installs_pinned_parts_then_the_project(checkout: Checkout) -> None:
    done = checkout.run()
    assert done.stdout.splitlines()[0] == "heedful up --sample"
    assert (
        checkout.asked.index("-m venv")
        < checkout.asked.index("--only-binary :all: --require-hashes -r")
        < checkout.asked.index("--no-deps --no-build-isolation --editable")
    )
    assert "constraints-test.txt" not in checkout.asked


def test_data_lie_in_the_checkout_and_are_for_the_owner_only(ready: Checkout) -> None:
    data = ready.folder / ".heedful"
    said = ready.run().stdout
    assert f"HEEDFUL_DATABASE_URL=sqlite:///{data}/heedful.db" in said
    assert f"HEEDFUL_BRAND={data}/brand.toml" in said
    assert data.stat().st_mode & 0o077 == 0


def test_database_and_brand_that_are_named_are_taken(ready: Checkout) -> None:
    said = ready.run(HEEDFUL_DATABASE_URL="postgresql:///x", HEEDFUL_BRAND="/b.toml").stdout
    assert "HEEDFUL_DATABASE_URL=postgresql:///x" in said
    assert "HEEDFUL_BRAND=/b.toml" in said


@pytest.mark.parametrize(
    ("words", "called"),
    [
        ((), "heedful up --sample"),
        (("up", "--port", "9000"), "heedful up --sample --port 9000"),
        (("--port", "9000"), "heedful up --sample --port 9000"),
        (("heedful", "verify", "--json"), "heedful verify --json"),
    ],
)
def test_words(ready: Checkout, words: tuple[str, ...], called: str) -> None:
    assert ready.run(*words).stdout.splitlines()[0] == called


def test_unknown_word_is_wrong_usage(checkout: Checkout) -> None:
    done = checkout.run("tset")
    assert done.returncode == 2
    assert "there is no word 'tset'" in done.stderr
    assert "./run test" in done.stderr
    assert not (checkout.folder / ".venv").exists()


def test_second_start_installs_nothing(ready: Checkout) -> None:
    assert ready.run().returncode == 0
    assert "pip" not in ready.asked
    assert "venv" not in ready.asked.replace(str(ready.folder), "")


@pytest.mark.parametrize("name", ["constraints.txt", "pyproject.toml"])
def test_changed_pins_are_installed_into_what_is_there(ready: Checkout, name: str) -> None:
    with (ready.folder / name).open("a") as file:
        file.write("# another\n")
    assert ready.run().returncode == 0
    assert "--require-hashes" in ready.asked
    assert "-m venv" not in ready.asked
    ready.run()
    assert "--require-hashes" not in ready.asked


def test_pins_of_the_tests_do_not_matter_to_who_only_runs_it(ready: Checkout) -> None:
    with (ready.folder / "constraints-test.txt").open("a") as file:
        file.write("# another\n")
    ready.run()
    assert "pip" not in ready.asked


def test_another_python_makes_it_anew(ready: Checkout) -> None:
    ready.run(STAND_IN_VERSION="3 13 0 cpython /opt")
    assert "-m venv" in ready.asked


OTHER = PYTHON.replace("3 11 2 cpython /usr", "3 13 0 cpython /opt")


def test_another_python_that_comes_first_in_path_changes_nothing(ready: Checkout) -> None:
    """A Heedful may be running in the environment, started from another shell."""
    ready.stand_in("python3.11", OTHER)
    assert ready.run().returncode == 0
    assert "-m venv" not in ready.asked
    assert "pip" not in ready.asked
    with (ready.folder / "constraints.txt").open("a") as file:
        file.write("# another\n")
    assert ready.run().returncode == 0
    assert "--require-hashes" in ready.asked
    assert "-m venv" not in ready.asked
    ready.folder = ready.folder.rename(ready.folder.with_name("moved"))
    assert ready.run().returncode == 0
    assert "-m venv" in ready.asked


def test_python_that_is_named_is_taken_and_stays(ready: Checkout) -> None:
    ready.stand_in("other", OTHER)
    assert ready.run(PYTHON=str(ready.bin / "other")).returncode == 0
    assert "-m venv" in ready.asked
    ready.run()
    assert "-m venv" not in ready.asked


def test_environment_whose_python_is_gone_is_made_with_another(ready: Checkout) -> None:
    (ready.bin / "python3").unlink()
    ready.stand_in("python3.12", OTHER)
    assert ready.run().returncode == 0
    assert "-m venv" in ready.asked


def test_moved_checkout_makes_it_anew(ready: Checkout) -> None:
    ready.folder = ready.folder.rename(ready.folder.with_name("moved"))
    assert ready.run().returncode == 0
    assert "-m venv" in ready.asked


def test_half_made_environment_is_made_anew(checkout: Checkout) -> None:
    broken = checkout.run(STAND_IN_BROKEN_NETWORK="1")
    assert broken.returncode == 1
    assert "pip could not install constraints.txt" in broken.stderr
    assert "Nothing was started" in broken.stderr
    rest = checkout.folder / ".venv" / "half"
    rest.touch()
    assert checkout.run().returncode == 0
    assert "-m venv" in checkout.asked
    assert not rest.exists()


def test_environment_whose_update_broke_off_is_made_anew(ready: Checkout) -> None:
    with (ready.folder / "constraints.txt").open("a") as file:
        file.write("# another\n")
    assert ready.run(STAND_IN_BROKEN_NETWORK="1").returncode == 1
    assert ready.run().returncode == 0
    assert "-m venv" in ready.asked


def test_environment_without_its_python_is_made_anew(ready: Checkout) -> None:
    (ready.folder / ".venv/bin/python").unlink()
    assert ready.run().returncode == 0
    assert "-m venv" in ready.asked


def test_tests_add_to_the_environment_and_stay_in_it(ready: Checkout) -> None:
    given = {"CHROMIUM": "/bin/true", "HEEDFUL_TEST_PG": "postgresql:///"}
    done = ready.run("test", "--", "tests/core", **given)
    assert "pytest ran" in done.stdout, done.stderr
    assert "constraints-test.txt" in ready.asked
    assert "-m pytest tests/core\n" in ready.asked
    assert "-m venv" not in ready.asked
    ready.run()
    assert "pip" not in ready.asked
    ready.run("soak", "-x", **given)
    assert "-m pytest --soak -x\n" in ready.asked


def test_python_that_is_too_old_is_refused_with_a_sentence(checkout: Checkout) -> None:
    done = checkout.run(STAND_IN_OLD="1")
    assert done.returncode == 1
    assert "found no Python 3.11 or later" in done.stderr
    assert "Nothing was changed" in done.stderr
    done = checkout.run(PYTHON="/nowhere/python3")
    assert done.returncode == 1
    assert "PYTHON is '/nowhere/python3'" in done.stderr


def test_without_venv_pip_fills_it_from_outside(checkout: Checkout) -> None:
    assert checkout.run(STAND_IN_NO_VENV="1").returncode == 0
    assert "-m venv --without-pip" in checkout.asked
    python = checkout.folder / ".venv/bin/python"
    assert f"-m pip --python {python} install -q --only-binary" in checkout.asked


def test_without_venv_and_pip_a_user_is_told_what_to_type(checkout: Checkout) -> None:
    done = checkout.run(STAND_IN_NO_VENV="1", STAND_IN_NO_PIP="1")
    assert done.returncode == 1
    assert "sudo apt-get install -y python3-venv" in done.stderr
    assert not (checkout.folder / ".venv").exists()


def test_without_venv_and_pip_root_installs_it(checkout: Checkout) -> None:
    checkout.be(0)
    checkout.stand_in(
        "apt-get",
        '#!/bin/sh\necho "apt-get $* ($DEBIAN_FRONTEND)" >>"$STAND_IN_LOG"\n: >"$STAND_IN_LOG.venv"\n',
    )
    done = checkout.run(STAND_IN_NO_VENV="1", STAND_IN_NO_PIP="1")
    assert done.returncode == 0, done.stderr
    assert re.search(r"apt-get .* update", checkout.asked)
    assert re.search(r"apt-get .* install -y .*python3-venv \(noninteractive\)", checkout.asked)


def test_missing_test_parts_without_rights_is_a_line_to_type(checkout: Checkout) -> None:
    done = checkout.run("test")
    assert done.returncode == 1
    line = next(line for line in done.stderr.splitlines() if line.startswith("  sudo apt-get"))
    assert "apt-get install -y" in line
    assert "chromium" in line.split()
    assert "No test was run" in done.stderr
    assert "pytest ran" not in done.stdout


def test_missing_test_parts_are_installed_as_root_or_by_sudo(checkout: Checkout) -> None:
    checkout.stand_in("apt-get", '#!/bin/sh\necho "apt-get $*" >>"$STAND_IN_LOG"\n')
    checkout.be(0)
    assert "pytest ran" in checkout.run("test").stdout
    assert re.search(r"apt-get .*install .*chromium", checkout.asked)
    checkout.be(1000)
    checkout.stand_in("sudo", '#!/bin/sh\necho "sudo $*" >>"$STAND_IN_LOG"\nshift\nexec "$@"\n')
    assert "pytest ran" in checkout.run("test").stdout
    assert re.search(r"sudo -n env DEBIAN_FRONTEND=noninteractive .*install", checkout.asked)


def test_folder_that_cannot_be_written_is_refused_with_a_sentence(ready: Checkout) -> None:
    # Root may write everywhere, so a file stands where the data belong.
    shutil.rmtree(ready.folder / ".heedful")
    (ready.folder / ".heedful").touch()
    done = ready.run()
    assert done.returncode == 1
    assert "cannot make the folder" in done.stderr


# --- the pins -----------------------------------------------------------------------------


def pins(name: str) -> dict[str, set[str]]:
    """Each pinned part, with its hashes."""
    found: dict[str, set[str]] = {}
    for line in (ROOT / name).read_text().splitlines():
        if pinned := re.match(r"([a-z0-9.-]+==[^ ;]+)", line):
            found[current := pinned[1]] = set()
        elif hashed := re.search(r"--hash=(sha256:[0-9a-f]{64})( \\)?$", line):
            found[current].add(hashed[1])
        else:
            assert line.startswith("#"), line
    return found


@pytest.mark.parametrize("name", ["constraints.txt", "constraints-test.txt"])
def test_pins_have_hashes_and_name_no_host(name: str) -> None:
    assert all(pins(name).values())
    text = (ROOT / name).read_text()
    assert "://" not in text
    assert " @ " not in text


def test_pins_of_the_tests_hold_all_that_running_needs() -> None:
    runtime, tests = pins("constraints.txt"), pins("constraints-test.txt")
    assert {part: tests.get(part) for part in runtime} == runtime


def test_all_that_pyproject_names_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    runtime = {part.split("==")[0] for part in pins("constraints.txt")}
    tests = {part.split("==")[0] for part in pins("constraints-test.txt")}
    named = {re.match(r"[a-z0-9-]+", line)[0] for line in project["project"]["dependencies"]}  # type: ignore[index]
    extra = {
        re.match(r"[a-z0-9-]+", line)[0]  # type: ignore[index]
        for line in project["project"]["optional-dependencies"]["test"]
    }
    assert named <= runtime
    assert extra <= tests
    assert set(project["build-system"]["requires"]) <= set(pins("constraints.txt"))
    # It takes urllib3's place, and other libraries' requests then fail.
    assert not {"niquests", "urllib3-future"} & tests


def test_the_environment_of_this_run_is_the_pinned_one() -> None:
    pinned: dict[str, set[str]] = {}
    for part in pins("constraints-test.txt"):
        name, number = part.split("==")
        pinned.setdefault(name, set()).add(number)  # two, where Pythons differ
    here = {re.sub("[-_.]+", "-", part.name).lower(): part.version for part in distributions()}
    others = {
        name: number
        for name, number in here.items()
        if name in pinned and number not in pinned[name]
    }
    assert not others


def test_only_the_ci_script_knows_where_the_corpora_lie() -> None:
    place = "/".join(["shared", "corpora"]).encode()
    knows = [
        file.relative_to(ROOT).as_posix()
        for folder in ("src", "tests", "benchmarks", ".ci", "docs")
        for file in (ROOT / folder).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts and place in file.read_bytes()
    ]
    assert knows == [".ci/run"]


@pytest.mark.parametrize("name", ["run", ".ci/run"])
def test_scripts_are_programs_and_parse(name: str) -> None:
    assert os.access(ROOT / name, os.X_OK)
    shell = "bash" if name.startswith(".ci") else "sh"
    subprocess.run([shell, "-n", str(ROOT / name)], check=True)
