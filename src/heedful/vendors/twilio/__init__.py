"""Twilio (SMS, MMS, WhatsApp, RCS): hears replies and refusals."""

from heedful.vendors.contract import Account, Can, Hook, Kind, Setting


def _hook(account: Account) -> Hook:
    from heedful.vendors.twilio.hook import TwilioHook

    return TwilioHook(account)


KIND = Kind(
    name="twilio",
    can=frozenset({Can.HEAR}),
    settings={
        "account_sid": Setting(required=False),
        "auth_token": Setting(secret=True),
        "shared_key": Setting(required=False, secret=True),
        "answers": Setting(required=False, choices=("heedful", "twilio")),
    },
    make_hook=_hook,
)
