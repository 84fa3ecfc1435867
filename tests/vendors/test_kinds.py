"""The folders of vendors, and what brand.toml may say to them."""

import json
import sys
from pathlib import Path

import pytest

import heedful.vendors
from heedful.core import brand
from heedful.core.catalogue import Catalogue
from heedful.core.errors import NotConfigured, UnknownVendor
from heedful.vendors import Can, account, findings, kind_of, kinds

BRAND = """
[brand]
name = "Northwind Outfitters"
url = "https://prefs.northwind.example"
postal_address = "1 Harbour Street, Portland"
support = "help@northwind.example"
region = "US"
[topics.weekly_deals]
category = "promotional"
channels = ["sms"]
title = "Weekly deals"
"""


def catalogue(vendors: str) -> Catalogue:
    return brand.parse(BRAND + vendors)


def test_every_folder_is_a_kind_of_its_own_name() -> None:
    folders = {p.parent.name for p in Path(heedful.vendors.__path__[0]).glob("*/__init__.py")}
    assert set(kinds()) == folders >= {"twilio", "webhook"}


@pytest.mark.parametrize("name", sorted(kinds()))
def test_a_kind_makes_what_it_declares_and_nothing_else(name: str) -> None:
    kind = kinds()[name]
    assert (Can.HEAR in kind.can) == (kind.make_hook is not None)
    assert (Can.TELL in kind.can) == (kind.make_connector is not None)


@pytest.mark.parametrize("name", sorted(kinds()))
def test_every_folder_answers_the_operator_and_has_fixtures(name: str) -> None:
    folder = Path(heedful.vendors.__path__[0]) / name
    readme = (folder / "README.md").read_text()
    for heading in ("## Set it up", "## At night", "## How we checked"):
        assert heading in readme
    assert [json.loads(p.read_text())["about"] for p in (folder / "fixtures").glob("*.json")]
    for setting in kinds()[name].settings:
        assert setting in readme, f"the README does not say what {setting} is"


@pytest.mark.parametrize(
    ("vendors", "said"),
    [
        ('[vendors.a]\nkind = "twilo"', "vendors.a.kind: 'twilo' is none of twilio, webhook. Did you mean 'twilio'?"),
        ('[vendors.a]\nkind = "twilio"', "vendors.a: 'auth_token' is missing."),
        ('[vendors.a]\nkind = "twilio"\nauth_token = "1234"', "vendors.a.auth_token: a secret is written env:NAME or file:PATH."),
        ('[vendors.a]\nkind = "twilio"\nauth_token = "env:T"\nauth_tokn = "x"', "vendors.a.auth_tokn: there is no such key. Did you mean 'auth_token'?"),
        ('[vendors.a]\nkind = "twilio"\nauth_token = "env:T"\nanswers = "twillio"', "vendors.a.answers: 'twillio' is none of heedful, twilio. Did you mean 'twilio'?"),
        ('[vendors.a]\nkind = "twilio"\nauth_token = "file:/run/t"', None),
    ],
)  # fmt: skip
def test_findings(vendors: str, said: str | None) -> None:
    assert findings(catalogue(vendors)) == ((said,) if said else ())


def test_secrets_are_read_from_the_environment_and_files(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    held = catalogue(
        f'[vendors.a]\nkind = "twilio"\nauth_token = "env:TOKEN_A"\nshared_key = "file:{secret}"'
    ).vendor("a")
    with pytest.raises(NotConfigured, match="TOKEN_A, which is not set"):
        account(held)
    monkeypatch.setenv("TOKEN_A", " ")
    with pytest.raises(NotConfigured, match="not set"):
        account(held)
    monkeypatch.setenv("TOKEN_A", "s3cret")
    with pytest.raises(NotConfigured, match="cannot be read"):
        account(held)
    secret.write_text("\n")
    with pytest.raises(NotConfigured, match="empty"):
        account(held)
    secret.write_text("key\n")
    found = account(held)
    assert found.settings == {"auth_token": "s3cret", "shared_key": "key"}
    assert "s3cret" not in repr(found)


def test_an_unknown_kind_is_an_error() -> None:
    with pytest.raises(UnknownVendor, match="Did you mean 'webhook'"):
        kind_of(catalogue('[vendors.a]\nkind = "webhok"').vendor("a"))


def test_a_new_folder_is_found_and_edits_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The steps of docs/how-to/add-a-vendor.md, as far as code goes."""
    guide = (Path(__file__).parents[2] / "docs/how-to/add-a-vendor.md").read_text()
    folder = tmp_path / "postbox"
    folder.mkdir()
    blocks = guide.split("```python\n")[1:]
    for name, block in zip(("__init__.py", "connector.py"), blocks, strict=True):
        (folder / name).write_text(block.partition("```")[0])
    monkeypatch.setattr(heedful.vendors, "__path__", [*heedful.vendors.__path__, str(tmp_path)])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    kinds.cache_clear()
    try:
        assert kinds()["postbox"].can == {Can.TELL}
        held = catalogue('[vendors.mail]\nkind = "postbox"\ntoken = "env:T"')
        assert findings(held) == ()
        monkeypatch.setenv("T", "s3cret")
        make = kinds()["postbox"].make_connector
        assert make is not None
        assert hasattr(make(account(held.vendor("mail"))), "tell")
    finally:
        kinds.cache_clear()
        for module in [m for m in sys.modules if m.startswith("heedful.vendors.postbox")]:
            del sys.modules[module]
