"""What may replace the catalogue in force.

A brand.toml can be right in itself and still undo what people chose: by dropping the topic they
left, by asking for less consent. `compare` finds both; it reads the two catalogues and what the
ledger holds, and changes nothing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from heedful.core.catalogue import Catalogue
from heedful.core.errors import BrandRefused, near_miss
from heedful.core.policy import Cap, ConsentReach
from heedful.core.scope import Category, Channel, Scope, TargetKind, target_covers, within


@dataclass(frozen=True, slots=True)
class Held:
    """What the ledger holds of a catalogue's names, for judging the catalogue that follows.

    `topics`: the category of every topic that was ever applied. `opt_outs`: the scopes that people
    opted out of or limited; whether that still stands is not asked.
    """

    topics: Mapping[str, Category] = field(default_factory=dict)
    opt_outs: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Findings:
    """Sentences for the operator. `never`: no reason makes it right; change the file.

    `loosens`: it would let through what is stopped today, and needs a reason that is kept.
    """

    never: tuple[str, ...] = ()
    loosens: tuple[str, ...] = ()


def check(
    old: Catalogue | None,
    new: Catalogue,
    held: Held,
    *,
    accept: bool = False,
    untold: Mapping[str, int] | None = None,
) -> Findings:
    """Raise BrandRefused unless `new` may follow `old`; `accept` allows what only loosens.

    Returns what was found, for the record of what was accepted.
    """
    found = compare(old, new, held, untold)
    if found.never or (found.loosens and not accept):
        raise BrandRefused(found.never, found.loosens)
    return found


def compare(
    old: Catalogue | None, new: Catalogue, held: Held, untold: Mapping[str, int] | None = None
) -> Findings:
    """Judge a catalogue against the one in force and against what is held of all before it.

    `untold`: for each vendor, how many instructions it has not answered yet.
    """
    never = (*_names(old, new, held), *_successions(old, new, held))
    if old is None:
        return Findings(tuple(never))
    loosens = (
        *_topics(old, new, _left(held, TargetKind.TOPIC)),
        *_passing_on(old, new, held),
        *_segments(old, new, _left(held, TargetKind.SEGMENT)),
        *_vendors(old, new, untold or {}),
        *_consent(old, new),
        *_caps(old, new),
        *_reach(old, new),
    )
    return Findings(tuple(never), tuple(loosens))


# --- refused for good ------------------------------------------------------------------------


def _names(old: Catalogue | None, new: Catalogue, held: Held) -> Iterator[str]:
    """A topic's category never changes, and a name is never used again."""
    for topic in new.topics.values():
        before = old.topics.get(topic.name) if old else None
        known = before.category if before else held.topics.get(topic.name)
        if known is not None and known is not topic.category:
            yield (
                f"Topic '{topic.name}' is {known} for good and cannot become {topic.category}: "
                "what people chose was about the former. Give the new topic a name of its own, "
                f'and `replaces = ["{topic.name}"]`.'
            )
        elif before is None and topic.name in held.topics:
            yield (
                f"The name '{topic.name}' was a topic's before, and a name is never used again: "
                "opt-outs and consents of the former topic would count for this one. "
                "Choose another name."
            )


def _successions(old: Catalogue | None, new: Catalogue, held: Held) -> Iterator[str]:
    """What a topic replaces is a topic that there is or was, and of a kind it can stand for."""
    if old is None and not held.topics:
        return
    known = {*new.topics, *held.topics}
    known.update(
        name for t in (old.topics.values() if old else ()) for name in (t.name, *t.replaces)
    )
    for topic in new.topics.values():
        for name in topic.replaces:
            if name not in known:
                yield (
                    f"Topic '{topic.name}' replaces '{name}', but no topic was ever called so."
                    f"{near_miss(name, known)} Its opt-outs would pass on to nobody."
                )
            elif (
                not topic.category.is_marketing
                and name not in new.topics
                and (was := held.topics.get(name)) is not None
                and was.is_marketing
            ):
                yield (
                    f"Topic '{topic.name}' is transactional and cannot replace '{name}', which was "
                    f"{was}: who left it would miss what they need."
                )


# --- what loosens ----------------------------------------------------------------------------


def _left(held: Held, kind: TargetKind) -> dict[str, set[Channel]]:
    """The names that people opted out of, with the channels on which they did."""
    found: dict[str, set[Channel]] = {}
    for text in held.opt_outs:
        scope = Scope.parse(text)
        if scope.kind is kind:
            found.setdefault(scope.name, set()).add(scope.channel)
    return found


def _line(catalogue: Catalogue, topic: str) -> set[str]:
    return {name for name, _ in catalogue.lineage(topic)}


def _topics(old: Catalogue, new: Catalogue, left: Mapping[str, set[Channel]]) -> Iterator[str]:
    """A topic that people left stays, or hands their opt-outs to a successor."""
    for topic in old.topics.values():
        name, after = topic.name, new.topics.get(topic.name)
        if after is None:
            if name in left and not any(name in _line(new, heir) for heir in new.topics):
                yield (
                    f"Topic '{name}' is gone, and people have opted out of it: whatever is sent in "
                    f'its place would reach them. Let its successor say `replaces = ["{name}"]`.'
                )
            continue
        for channel in topic.channels:
            if channel not in after.channels and {channel, Channel.ANY} & left.get(name, set()):
                yield (
                    f"Topic '{name}' is no longer sent by {channel}, where people have opted out "
                    "of it: what takes its place there would reach them. "
                    f"Keep {channel} in its `channels`."
                )


def _passing_on(old: Catalogue, new: Catalogue, held: Held) -> Iterator[str]:
    """Opt-outs that reached a topic by what it replaces go on reaching it, and its successors.

    Any opt-out counts that takes in the old topic, by name or not: who left all marketing and came
    back to one category is still out of the topics of another.
    """
    scopes = [Scope.parse(text) for text in held.opt_outs]
    for topic in old.topics.values():
        for name, category in dict(old.lineage(topic.name)[1:]).items():
            if not any(target_covers(scope, name, category) for scope in scopes):
                continue
            for heir in new.topics:
                line = _line(new, heir)
                if topic.name in line and name not in line:
                    yield (
                        f"Topic '{heir}' no longer replaces '{name}', and people have opted out "
                        f"of that: '{heir}' would reach them. Keep '{name}' in its `replaces`."
                    )


def _segments(old: Catalogue, new: Catalogue, left: Mapping[str, set[Channel]]) -> Iterator[str]:
    for name in old.segments:
        if name not in new.segments and name in left:
            yield (
                f"Segment '{name}' is gone, and people have left it: messages to the same people "
                "under another name, or none, would reach them. Keep the segment."
            )


def _vendors(old: Catalogue, new: Catalogue, untold: Mapping[str, int]) -> Iterator[str]:
    for name in old.vendors:
        waiting = untold.get(name, 0)
        wait = f"{waiting} instruction{'s' if waiting > 1 else ''}"
        if name not in new.vendors:
            if waiting:
                yield (
                    f"Vendor '{name}' is gone, and has not been told of {wait}: it may go on "
                    "sending to people who opted out. Wait until it is told "
                    "(`heedful vendors status`), or tell it yourself."
                )
            continue
        before, after = set(old.touches(name)), set(new.touches(name))
        if waiting and not before <= after:
            lost = ", ".join(sorted(f"{channel} {topic}" for channel, topic in before - after))
            yield (
                f"Vendor '{name}' no longer sends {lost}, and has not been told of {wait}, "
                "which may be about that. Wait until it is told (`heedful vendors status`)."
            )
        had = any(t.vendor == name for t in old.touchpoints)
        if had and not any(t.vendor == name for t in new.touchpoints):
            yield (
                f"Vendor '{name}' had touchpoints and has none now, so that it may send every "
                "topic of its channels. Keep one touchpoint, or remove the vendor."
            )


def _consent(old: Catalogue, new: Catalogue) -> Iterator[str]:
    for (category, channel), asked in old.consent.items():
        asks = new.consent.get((category, channel), frozenset())
        if asked and (not asks or asks - asked):
            what = f"also takes {', '.join(sorted(asks - asked))}" if asks else "asks for none"
            yield (
                f"{category} messages by {channel} needed consent that was "
                f"{' or '.join(sorted(asked))}; this {what}: people who never gave the former "
                f"would be written to. Keep consent.{category}.{channel} as it is."
            )
    if old.consent_reach is ConsentReach.TOPIC and new.consent_reach is not ConsentReach.TOPIC:
        yield (
            "Consent for marketing did not reach topics that came after it, and now would: people "
            'would be written to about what they never saw. Keep brand.consent_reach = "topic".'
        )


def _caps(old: Catalogue, new: Catalogue) -> Iterator[str]:
    for cap in old.caps:
        if not any(_keeps(other, cap) for other in new.caps):
            key = f'"{cap.channel}"' if cap.channel is Channel.ANY else str(cap.channel)
            yield (
                f"The cap on {cap.channel} was {cap.at_most} in its span and is gone or wider: "
                f"people would get more messages than now. Keep caps.{key} as it is."
            )


def _keeps(new: Cap, old: Cap) -> bool:
    """Whether nothing gets past `new` that `old` held back.

    In the span of the old one there is room for so many spans of the new one, rounded up.
    """
    spans = -(-old.per // new.per)
    return new.channel in (Channel.ANY, old.channel) and new.at_most * spans <= old.at_most


def _reach(old: Catalogue, new: Catalogue) -> Iterator[str]:
    """How far an opt-out reaches that is said from now on, and whom one said before is about."""
    if not within(old.sms_stop, new.sms_stop):
        yield (
            f"A bare STOP reached {old.sms_stop} and now would reach {new.sms_stop}: people who "
            "text it from now on would get what it stops today. Keep intake.sms_stop as it is."
        )
    if old.one_click == "channel" and new.one_click != "channel":
        yield (
            "One-click stopped all marketing by e-mail and now would stop one topic. "
            'Keep intake.one_click = "channel".'
        )
    if old.region != new.region:
        yield (
            f"Numbers without + were read in {old.region} and now would be in {new.region}: asked "
            "about the same digits, the gate would look up another number, on which there is no "
            "opt-out. Keep brand.region, or write every number with +."
        )
