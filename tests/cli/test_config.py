"""Keys, settings, and what goes into a log."""

from __future__ import annotations

import io
import json
import logging
from pathlib import Path

import pytest

from heedful import observe
from heedful.config import PURPOSES, Keys, Settings, sqlite_file
from heedful.core.errors import Forbidden, WrongKeys


def test_keys_come_back_as_they_were_saved(tmp_path: Path) -> None:
    keys = Keys.make(1_000_000)
    keys.save(tmp_path / "k")
    assert Keys.load(tmp_path / "k") == keys
    with pytest.raises(FileExistsError):
        keys.save(tmp_path / "k")
    for purpose in PURPOSES:
        assert len(keys.newest(purpose).secret) == 32
        assert keys.newest(purpose).secret.hex() not in repr(keys) + repr(keys.newest(purpose))


def test_rotation_keeps_the_old_and_never_touches_the_address_hash(tmp_path: Path) -> None:
    keys = Keys.make(1)
    fresh = keys.rotate("links", 2_000_000)
    assert fresh.all("links")[0] == keys.newest("links")
    assert fresh.newest("links") != keys.newest("links")
    assert fresh.all("codes") == keys.all("codes")
    keys.save(tmp_path / "k")
    fresh.replace(tmp_path / "k")
    assert Keys.load(tmp_path / "k") == fresh
    assert (tmp_path / "k").stat().st_mode & 0o777 == 0o600
    for purpose in ("address_hash", "nonsense"):
        with pytest.raises(Forbidden):
            keys.rotate(purpose, 1)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"purposes":{}}', '{"purposes":{"links":[{"id":1}]}}', "null"]
)
def test_a_damaged_keys_file_says_so(tmp_path: Path, text: str) -> None:
    file = tmp_path / "k"
    file.write_text(text)
    file.chmod(0o600)
    with pytest.raises(WrongKeys, match="damaged"):
        Keys.load(file)


def test_settings_come_from_what_was_said_then_the_environment() -> None:
    assert Settings.of({}) == Settings(
        "sqlite:///heedful.db", Path("brand.toml"), Path("heedful.keys")
    )
    environment = {"HEEDFUL_DATABASE_URL": "sqlite:////var/h/x.db", "HEEDFUL_BRAND": "/etc/b.toml"}
    assert Settings.of(environment).keys == Path("/var/h/heedful.keys")
    assert Settings.of(environment, database="y.db").database == "sqlite:///y.db"
    assert Settings.of({}, database="postgresql://u@h/d").keys == Path("heedful.keys")
    assert sqlite_file("postgresql://h/d") is None
    assert sqlite_file("sqlite:////a/b.db") == Path("/a/b.db")


@pytest.mark.parametrize(
    "said",
    [
        "ann@example.com", "Ann.Lee+x@mail.example.co.uk", "tel:+14155550100", "+1 415 555 0100",
        "14155550100", "contact:crm-42", "push:abcdef", "md5:257c57037d384ae37ea27a07e8a01665",
        "/u/AQhhZTRkMjBjYR8LgX", "ann%40example.com", "%2B14155550100",
    ],
)  # fmt: skip
def test_no_address_is_in_a_line(said: str) -> None:
    stream = io.StringIO()
    root, before = logging.getLogger(), logging.getLogger().handlers[:]
    try:
        observe.set_up(stream)
        log = observe.logger("heedful.test")
        log.warning("it", a=f"for {said} now", b=[said], c={said: said}, d=ValueError(said))
        try:
            raise ValueError(said)
        except ValueError:
            log.exception("failed")
        logging.getLogger("elsewhere").error("could not reach %s", said)
    finally:
        root.handlers[:] = before
    lines = stream.getvalue().splitlines()
    assert len(lines) == 3
    for line in lines:
        json.loads(line)
        assert said not in line
    assert "2026-11-22T10:00:00" in observe.masked("at 2026-11-22T10:00:00Z, 4711 rows")
