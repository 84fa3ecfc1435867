"""The lanes of one vendor: one at a time for each subject, in order, and each in its time."""

from hypothesis import given
from hypothesis import strategies as st

from heedful.core.event import Action
from heedful.fanout.lanes import Lanes, Pending
from heedful.fanout.places import Places
from heedful.fanout.plan import Why

A, B = b"a", b"b"


def item(key: bytes, seq: int, mask: int = 1, action: Action = Action.OPT_OUT) -> Pending:
    return Pending(key, Why(seq, 0, action, "sms/marketing"), "", mask)


def test_one_of_a_subject_is_under_way_and_the_others_follow() -> None:
    lanes = Lanes()
    one, two, other = item(A, 1, 1), item(A, 2, 2), item(B, 3)
    for each in (one, two, other):
        assert lanes.add(each) == []
    assert lanes.take(0, 10) == [one, other]
    assert lanes.take(0, 10) == []
    assert lanes.follows(one)
    lanes.done(one)
    assert lanes.take(0, 10) == [two]
    lanes.done(two)
    lanes.done(other)
    assert lanes.size == 0


def test_what_waits_is_overtaken_by_one_that_says_all_of_it() -> None:
    lanes = Lanes()
    narrow, wide = item(A, 1, 0b01), item(A, 2, 0b11)
    lanes.add(narrow)
    assert lanes.add(wide) == [narrow]
    assert lanes.add(item(A, 3, 0b01)) == []
    assert lanes.size == 2


def test_what_says_something_else_overtakes_nothing() -> None:
    lanes = Lanes()
    lanes.add(item(A, 1))
    assert lanes.add(item(A, 2, action=Action.OPT_IN)) == []
    assert lanes.size == 2


def test_what_is_under_way_is_not_overtaken_until_it_has_failed() -> None:
    lanes = Lanes()
    one, two = item(A, 1), item(A, 2)
    lanes.add(one)
    lanes.take(0, 1)
    assert lanes.add(two) == []
    assert lanes.postpone(one, 100)
    assert lanes.take(0, 5) == [two]


def test_a_postponed_one_comes_back_in_its_time_or_with_a_new_wish() -> None:
    lanes = Lanes()
    one, two = item(A, 1), item(B, 2)
    for each in (one, two):
        lanes.add(each)
        lanes.take(0, 1)
        assert not lanes.postpone(each, 100)
    assert lanes.next_due() == 100
    assert lanes.take(99, 5) == []
    lanes.add(item(A, 3, 2))
    assert lanes.take(99, 5) == [one]
    assert lanes.take(100, 5) == [two]


def test_a_vendor_that_answers_again_is_told_all_that_waits_at_once() -> None:
    lanes = Lanes()
    one = item(A, 1)
    lanes.restore(one, 1000)
    assert lanes.holds(A, 1)
    assert lanes.take(10, 5) == []
    lanes.hasten()
    assert lanes.take(10, 5) == [one]


@given(
    st.lists(
        st.tuples(st.sampled_from("atdp"), st.integers(0, 2), st.integers(1, 3), st.booleans()),
        max_size=40,
    )
)
def test_nothing_is_lost_and_nothing_goes_out_of_turn(
    doings: list[tuple[str, int, int, bool]],
) -> None:
    lanes, under_way, ended, seq = Lanes(), [], set(), 0
    added: list[Pending] = []
    for doing, key, mask, which in doings:
        if doing == "a":
            seq += 1
            new = item(bytes([key]), seq, mask, Action.OPT_OUT if which else Action.OPT_IN)
            added.append(new)
            for gone in lanes.add(new):
                assert gone not in under_way
                ended.add(gone.why.seq)
        elif doing == "t":
            for taken in lanes.take(50, mask):
                assert all(taken.key != other.key for other in under_way)
                under_way.append(taken)
        elif under_way:
            one = under_way.pop(0 if which else -1)
            if doing == "d":
                lanes.done(one)
                ended.add(one.why.seq)
            elif lanes.postpone(one, 40 + 10 * mask):
                ended.add(one.why.seq)
        waiting = [p for p in added if p.why.seq not in ended]
        assert lanes.size == len(waiting)
        for one in under_way:
            assert min(p.why.seq for p in waiting if p.key == one.key) == one.why.seq
    for one in under_way:
        lanes.done(one)
    while taken_now := lanes.take(10**9, 3):
        for one in taken_now:
            lanes.done(one)
    assert lanes.size == 0


@given(st.lists(st.integers(0, 2), max_size=12), st.randoms(use_true_random=False))
def test_the_reader_is_as_far_as_all_before_is_finished(things: list[int], random: object) -> None:
    places: Places[int] = Places(-1)
    numbers = [places.add(n, count) for n, count in enumerate(things)]
    open_ = [n for n, count in enumerate(things) for _ in range(count)]
    random.shuffle(open_)  # type: ignore[attr-defined]
    while True:
        first = min(open_, default=len(things))
        expected = first - 1
        assert places.upto == expected
        if not open_:
            break
        places.closed(numbers[open_.pop()])
