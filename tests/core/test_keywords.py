"""The words that opt out by themselves, and the sentences that merely contain them."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heedful.core.keywords import (
    KEYWORDS,
    LONGEST,
    VERSION,
    Keyword,
    Said,
    fold,
    hear,
    without_accents,
)

OUT, IN, HELP, NONE = Said.OPT_OUT, Said.OPT_IN, Said.HELP, Said.NONE


def test_another_list_has_another_version() -> None:
    digest = hashlib.sha256(
        "\n".join(f"{k.word}|{k.means}|{k.source}|{k.verified}" for k in KEYWORDS).encode()
    ).hexdigest()[:16]
    assert (VERSION, digest) == ("1", "1fd560f8f52a2524"), (
        "The list of keywords changed: give it a new VERSION, then state its digest here."
    )


@pytest.mark.parametrize("keyword", KEYWORDS, ids=lambda keyword: keyword.word)
def test_every_keyword_is_heard_however_it_is_typed(keyword: Keyword) -> None:
    word = keyword.word
    for said in (
        word,
        word.upper(),
        word.title(),
        f" {word}. ",
        f"“{word}”!!",
        f"{word}\r\n",
        f"{word} {word}",
    ):
        heard = hear(said)
        assert (heard.means, heard.matched, heard.version) == (keyword.means, word, VERSION)


def test_the_rules_own_words_are_all_there() -> None:
    for word in (
        "stop",
        "quit",
        "end",
        "revoke",
        "opt out",
        "cancel",
        "unsubscribe",
    ):  # 64.1200(a)(10)
        assert hear(word).means is OUT


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("STOP", OUT),
        ("Stop!", OUT),
        ("'stop'", OUT),
        ("stop.", OUT),
        ("STOP\n", OUT),
        ("S T O P", OUT),
        ("s.t.o.p", OUT),
        ("S-T-O-P", OUT),
        ("ＳＴＯＰ", OUT),
        ("STOP STOP", OUT),
        ("stop, stop, stop!!", OUT),
        ("STOP 🛑", OUT),
        ("🛑STOP🛑🏽‍♂️", OUT),
        ("𝐒𝐓𝐎𝐏", OUT),
        ("st\u200bop", OUT),
        ("st\u00adop", OUT),
        ("\u202eSTOP\u202c", OUT),
        ("*STOP*", OUT),
        ("_stop_", OUT),
        ("opt out", OUT),
        ("OPT-OUT", OUT),
        ("optout", OUT),
        ("opt\u2011out", OUT),
        ("Opt  Out.", OUT),
        ("opt out opt out", OUT),
        ("STOPALL", OUT),
        ("stop all", OUT),
        ("Stop, unsubscribe", OUT),
        ("please opt me out", OUT),
        ("Please opt me out!", OUT),
        ("QUİT", OUT),
        ("quıt", OUT),
        ("ARRÊT", OUT),
        ("arre\u0302t", OUT),
        ("Arrête", OUT),
        ("ＴＤ", OUT),
        ("Sair", OUT),
        ("PARE", OUT),
        ("CANCEL", OUT),
        ("End", OUT),
        ("START", IN),
        ("start!", IN),
        ("UNSTOP", IN),
        ("HELP", HELP),
        ("help?", HELP),
        ("Info", HELP),
        ("AIDE", HELP),
        # whole messages only
        ("stop by the shop", NONE),
        ("don't stop", NONE),
        ("dont stop", NONE),
        ("bus stop", NONE),
        ("stop texting me", NONE),  # for intake/language.py
        ("the end", NONE),
        ("can I cancel my order", NONE),
        ("get started", NONE),
        ("STOP START", NONE),
        ("stop help", NONE),
        ("St. Art", NONE),
        ("no stopping", NONE),
        ("nonstop", NONE),
        ("STOPP", NONE),
        ("YES", NONE),
        ("no", NONE),
        # one letter is nobody's word
        ("R", NONE),
        ("T", NONE),
        ("N", NONE),
        ("", NONE),
        ("   ", NONE),
        ("🛑", NONE),
        ("!!!", NONE),
        ("\ud800", NONE),
        ("\x00", NONE),
        ("'", NONE),
    ],
)
def test_what_is_heard(text: str, means: Said) -> None:
    assert hear(text).means is means


@pytest.mark.parametrize(
    "hostile",
    [
        "a" + "\u0301\u0316" * 1_500_000,
        "a" + "\u0301\u0316" * (LONGEST // 2 - 1),
        "\ufdfa" * LONGEST,
        "stop " * 1_000_000,
        "stop " * 399,
        " " * 5_000_000,
    ],
)
@pytest.mark.timeout(2)
def test_hostile_texts_take_no_time(hostile: str) -> None:
    hear(hostile)


def test_the_end_of_a_long_message_is_not_cut_off_and_ignored() -> None:
    assert hear("stop" + "…" * (LONGEST - 40) + " by the shop").means is NONE
    assert hear("stop" + " " * LONGEST + "by the shop").means is NONE
    assert hear("stop" + " " * LONGEST).means is OUT


@given(st.text(max_size=60))
def test_folding_twice_changes_nothing(text: str) -> None:
    folded = fold(text)
    assert fold(folded) == folded
    assert without_accents(without_accents(folded)) == without_accents(folded)
    assert folded == folded.strip()
    assert "  " not in folded


@given(
    st.sampled_from(KEYWORDS),
    st.text(st.sampled_from(" .!?,;:-–—'\"«»“”()[]*_~\t\n🛑😀👍🏽\u200b\u200d\ufe0f"), max_size=8),
)
def test_no_decoration_hides_a_keyword(keyword: Keyword, around: str) -> None:
    assert hear(around + keyword.word.upper() + around).means is keyword.means


@given(st.text(max_size=200))
def test_no_text_does_harm(text: str) -> None:
    heard = hear(text)
    assert (heard.matched is None) == (heard.means is NONE)
