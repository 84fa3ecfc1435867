"""Any system that can take a signed HTTP request: told of each change (Standard Webhooks)."""

from heedful.vendors.contract import Account, Can, Connector, Kind, Setting


def _connector(account: Account) -> Connector:
    from heedful.vendors.webhook.connector import WebhookConnector

    return WebhookConnector(account)


KIND = Kind(
    name="webhook",
    can=frozenset({Can.TELL}),
    settings={"url": Setting(), "secret": Setting(secret=True)},
    make_connector=_connector,
)
