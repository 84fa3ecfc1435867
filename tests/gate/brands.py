"""The brand of these tests: topics of each category, a segment, a vendor with touchpoints."""

BRAND = """
[brand]
name = "Northwind Outfitters"
url = "https://prefs.northwind.example"
postal_address = "1 Harbour Street, Portland, OR 97209, USA"
support = "help@northwind.example"
region = "US"
languages = ["en"]

[topics.weekly_deals]
category = "promotional"
channels = ["sms", "email", "push", "voice"]
title = "Weekly deals"

[topics.cart_reminders]
category = "promotional"
channels = ["email", "sms"]
title = "Cart reminders"

[topics.weekly_tips]
category = "informational"
channels = ["sms", "email"]
title = "Weekly tips"

[topics.tips_deals]
category = "promotional"
channels = ["sms", "email"]
title = "Tips and deals"
replaces = ["weekly_tips"]

[topics.order_updates]
category = "transactional"
channels = ["sms", "email"]
title = "Order updates"

[segments.lapsed]
title = "Shoppers we have not seen for a while"

[vendors.texter]
kind = "webhook"
channels = ["sms"]
url = "https://texter.example/consent"
secret = "env:TEXTER_SECRET"

[[touchpoints]]
stage = "deals"
vendor = "texter"
channel = "sms"
topic = "weekly_deals"
sender = "+18335550100"
"""

CAPPED = BRAND + '\n[caps]\nsms = "2 per 7 days"\n'
STRICT = BRAND + '\n[consent.promotional]\nemail = "express_written"\n'
NARROW = BRAND.replace("support =", 'consent_reach = "topic"\nsupport =')
