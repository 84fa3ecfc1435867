"""The companies that Heedful can speak with: one folder each, found by walking the folders.

Adding one edits nothing here; docs/how-to/add-a-vendor.md has the steps.

    kind = kind_of(catalogue.vendor("texter"))
    hook = kind.make_hook(account(catalogue.vendor("texter")))
"""

import os
import pkgutil
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from types import MappingProxyType

from heedful.core.catalogue import Catalogue, Vendor
from heedful.core.errors import NotConfigured, UnknownVendor, near_miss
from heedful.vendors.contract import Account, Can, Kind

__all__ = ["Account", "Can", "Kind", "account", "findings", "kind_of", "kinds"]

_SECRET_BYTES = 10_000


@cache
def kinds() -> Mapping[str, Kind]:
    """Every kind of vendor, by the name of its folder."""
    found = {}
    for folder in pkgutil.iter_modules(__path__):
        if folder.ispkg:
            kind: Kind = import_module(f"{__name__}.{folder.name}").KIND
            found[kind.name] = kind
    return MappingProxyType(found)


def kind_of(vendor: Vendor) -> Kind:
    """The kind that brand.toml names for a vendor. UnknownVendor where there is none."""
    found = kinds().get(vendor.kind)
    if found is None:
        raise UnknownVendor(
            f"Vendor '{vendor.name}' is of kind '{vendor.kind[:64]}', which is none of "
            f"{', '.join(sorted(kinds()))}.{near_miss(vendor.kind, kinds())}"
        )
    return found


def account(vendor: Vendor) -> Account:
    """The vendor's settings with its secrets read, now and each time, so that they may change.

    NotConfigured where a secret is not there: then this vendor waits, and no other.
    """
    settings = {}
    for name, setting in kind_of(vendor).settings.items():
        written = vendor.settings.get(name)
        if written is None:
            if setting.required:
                raise NotConfigured(f"vendors.{vendor.name}.{name} is missing in brand.toml.")
        else:
            settings[name] = _read(f"vendors.{vendor.name}.{name}", written)
    return Account(vendor.name, MappingProxyType(settings))


def _read(path: str, written: str) -> str:
    """The value of `env:NAME` or `file:PATH`, or the text itself. An empty secret is none."""
    source, colon, name = written.partition(":")
    if not colon or source not in ("env", "file"):
        return written
    if source == "env":
        value = os.environ.get(name, "").strip()
        if not value:
            raise NotConfigured(f"{path} names {name}, which is not set in the environment.")
        return value
    try:
        with Path(name).open(encoding="utf-8") as file:
            value = file.read(_SECRET_BYTES).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise NotConfigured(f"{path} names a file that cannot be read: {error}.") from None
    if not value:
        raise NotConfigured(f"{path} names a file that is empty.")
    return value


def findings(catalogue: Catalogue) -> tuple[str, ...]:
    """What is wrong with the vendors of a brand.toml: one sentence a fault.

    Whether the secrets are there is not looked at: they belong to the host, not to the brand.
    """
    found = []
    for vendor in catalogue.vendors.values():
        at = f"vendors.{vendor.name}"
        kind = kinds().get(vendor.kind)
        if kind is None:
            found.append(
                f"{at}.kind: '{vendor.kind[:64]}' is none of {', '.join(sorted(kinds()))}."
                + near_miss(vendor.kind, kinds())
            )
            continue
        for name in vendor.settings:
            if name not in kind.settings:
                found.append(f"{at}.{name}: there is no such key.{near_miss(name, kind.settings)}")
        for name, setting in kind.settings.items():
            value = vendor.settings.get(name)
            if value is None:
                if setting.required:
                    found.append(f"{at}: '{name}' is missing.")
            elif setting.secret and not value.startswith(("env:", "file:")):
                found.append(f"{at}.{name}: a secret is written env:NAME or file:PATH.")
            elif setting.choices and value not in setting.choices:
                found.append(
                    f"{at}.{name}: '{value[:64]}' is none of {', '.join(setting.choices)}."
                    + near_miss(value, setting.choices)
                )
    return tuple(found)
