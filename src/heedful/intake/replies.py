"""The texts that answer a text message, by language. They confirm, and sell nothing.

A confirmation is the only message that may follow an opt-out (47 CFR 64.1200(a)(12)), says who
speaks (CTIA), and shows the way back. Each fits one SMS of 160 GSM-7 characters for everyday names.
"""

from collections.abc import Mapping
from types import MappingProxyType

from heedful.core.catalogue import Catalogue
from heedful.core.scope import Channel, Scope, TargetKind

_NOUNS: Mapping[str, Mapping[Channel, str]] = MappingProxyType(
    {
        "en": {
            Channel.SMS: "texts",
            Channel.WHATSAPP: "WhatsApp messages",
            Channel.RCS: "chat messages",
            Channel.ANY: "messages",
        }
    }
)
_TEXTS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "en": {
            "stop_marketing": (
                "You will not get more marketing {noun} from {brand}. Reply START to come back."
            ),
            "stop_everything": (
                "You will not get any more {noun} from {brand}. Reply START to come back."
            ),
            "stop_both": (
                "You will not get any more {noun}, or other marketing, from {brand}. "
                "Reply START to come back."
            ),
            "start": (
                "{brand}: you can get {noun} from us again. Msg frequency varies, msg & data "
                "rates may apply. Reply HELP for help, STOP to end."
            ),
            "help": (
                "{brand}: for help write to {support}. Msg frequency varies, msg & data rates "
                "may apply. Reply STOP to end."
            ),
        }
    }
)


def stopped(catalogue: Catalogue, channel: Channel, scopes: tuple[Scope, ...]) -> str:
    """What a STOP that reached these scopes did, in one sentence and no wider than the truth."""
    if len(scopes) > 1:
        return _text(catalogue, "stop_both", channel)
    (scope,) = scopes
    everything = scope.kind is TargetKind.EVERYTHING
    return _text(catalogue, "stop_everything" if everything else "stop_marketing", scope.channel)


def started(catalogue: Catalogue, channel: Channel) -> str:
    return _text(catalogue, "start", channel)


def helped(catalogue: Catalogue, channel: Channel) -> str:
    return _text(catalogue, "help", channel)


def _text(catalogue: Catalogue, name: str, channel: Channel) -> str:
    language = next((one for one in catalogue.languages if one in _TEXTS), "en")
    return _TEXTS[language][name].format(
        brand=catalogue.name, support=catalogue.support, noun=_NOUNS[language][channel]
    )
