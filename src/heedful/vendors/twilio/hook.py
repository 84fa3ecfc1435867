"""Twilio's webhooks: what people text back, and what Twilio refuses to send.

Their words      OptOutType STOP | START | HELP = what Twilio's Advanced Opt-Out read and answered;
                 ErrorCode 21610 = the person texted STOP to this sender or its pool
Asking twice     safe: MessageSid is the request id, so the same request changes nothing
Limits           Twilio waits 15 seconds for an answer and sends an inbound message once
How we checked   fixtures/*.json, from their documentation; signatures against twilio 9.13.0
"""

import re
from collections.abc import Sequence
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from heedful.core.address import Address, AddressKind
from heedful.core.errors import Forged, InvalidAddress
from heedful.core.keywords import Said
from heedful.core.scope import Channel
from heedful.vendors.contract import (
    Account,
    Block,
    Heard,
    HookReply,
    HookRequest,
    Inbound,
    Nothing,
    Unknown,
)
from heedful.vendors.twilio import signature

UNSUBSCRIBED = "21610"
_FORM = "application/x-www-form-urlencoded"
_PREFIXES = {"whatsapp": Channel.WHATSAPP, "rcs": Channel.RCS}
_OPT_OUT_TYPES = {"STOP": Said.OPT_OUT, "START": Said.OPT_IN, "HELP": Said.HELP}
# Sids are 34 characters; more than this cannot be one and would not fit a request id.
_SID = re.compile(r"[!-~]{1,100}")
_ILLEGAL_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

# Without Advanced Opt-Out, Twilio acts on these by itself and answers them, and says nothing of it.
# They must be the whole message, in any case.
DEFAULT_KEYWORDS = frozenset(
    {"stop", "stopall", "unsubscribe", "cancel", "end", "quit", "revoke", "optout"}
    | {"start", "yes", "unstop"}
    | {"help", "info"}
)


class TwilioHook:
    """Reads the requests of one Twilio account."""

    def __init__(self, account: Account) -> None:
        self._settings = account.settings

    def hear(self, request: HookRequest) -> Sequence[Inbound]:
        form = _form(request)
        signature.check(
            request, form, self._settings["auth_token"], self._settings.get("shared_key")
        )
        if form is None:
            return (Unknown("a body that is no form"),)
        said = dict(form)
        expected = self._settings.get("account_sid")
        if expected and said.get("AccountSid", expected) != expected:
            raise Forged("The request is of another Twilio account. Nothing was recorded.")
        return (self._one(said),)

    def reply(self, text: str | None) -> HookReply:
        body = "<Response/>"
        if text:
            plain = escape(_ILLEGAL_IN_XML.sub("", text))
            body = f"<Response><Message>{plain}</Message></Response>"
        return HookReply(
            200, "text/xml; charset=utf-8", f'<?xml version="1.0" encoding="UTF-8"?>{body}'.encode()
        )

    def _one(self, said: dict[str, str]) -> Inbound:
        message_id = said.get("MessageSid") or said.get("SmsMessageSid") or said.get("SmsSid", "")
        status = said.get("MessageStatus") or said.get("SmsStatus", "")
        if not _SID.fullmatch(message_id):
            return Unknown("no MessageSid")
        try:
            if "Body" in said or status in ("received", "receiving"):
                return self._heard(said, message_id)
            if said.get("ErrorCode") == UNSUBSCRIBED:
                return _block(said, message_id)
        except InvalidAddress:
            return Unknown("an address that is no phone number")
        return Nothing() if status else Unknown("neither a text nor a status")

    def _heard(self, said: dict[str, str], message_id: str) -> Inbound:
        channel, sender = _parted(said.get("From", ""))
        to_channel, to = _parted(said.get("To", ""))
        if not to or channel is not to_channel:
            return Unknown("a message to nobody, or to another channel than it came from")
        text = said.get("Body", "")
        verdict = said.get("OptOutType", "").strip().upper()
        by_default = (
            self._settings.get("answers") == "twilio" and text.strip().lower() in DEFAULT_KEYWORDS
        )
        return Heard(
            sender=_person(sender),
            channel=channel,
            to=to,
            text=text,
            message_id=message_id,
            service=said.get("MessagingServiceSid") or None,
            vendor_says=_OPT_OUT_TYPES.get(verdict),
            answered=bool(verdict) or by_default,
            evidence={"OptOutType": verdict[:40]} if verdict else {},
        )


def _block(said: dict[str, str], message_id: str) -> Block:
    channel, person = _parted(said.get("To", ""))
    return Block(
        address=_person(person),
        channel=channel,
        sender=_parted(said.get("From", ""))[1] or None,
        code=UNSUBSCRIBED,
        message_id=message_id,
        service=said.get("MessagingServiceSid") or None,
    )


def _person(text: str) -> Address:
    found = Address.parse(text)
    if found.kind is not AddressKind.TEL:
        raise InvalidAddress("Twilio reaches people by their numbers.")
    return found


def _parted(text: str) -> tuple[Channel, str]:
    """The channel and the number of `+14155550100`, `whatsapp:+14155550100`, `rcs:brand_agent`."""
    prefix, colon, rest = text.strip().partition(":")
    channel = _PREFIXES.get(prefix.lower()) if colon else None
    return (channel, rest.strip()) if channel else (Channel.SMS, text.strip())


def _form(request: HookRequest) -> list[tuple[str, str]] | None:
    """The parameters of a form, None for another kind of body."""
    kind = request.headers.get("content-type", _FORM).partition(";")[0].strip().lower()
    if kind != _FORM:
        return None
    try:
        return parse_qsl(
            request.body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=500
        )
    except ValueError:
        raise Forged("The form has more parameters than Twilio ever sends.") from None
