"""Whatever the description allows, and much that it does not: no input makes the API fall over,
and every answer is one that the description names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
import schemathesis
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from heedful.core.event import Action
from tests.web.conftest import Asked, asking, made

CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
)
ENDLESS = {"/v1/events/stream"}


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    folder = tmp_path_factory.mktemp("fuzz")
    with asking(made(f"sqlite:///{folder}/heedful.db", folder)) as it:
        yield it


def _paths() -> list[tuple[str, str]]:
    from heedful.web.routes import ROUTES

    return [(r.method, r.path) for r in ROUTES if r.path not in ENDLESS]


@pytest.mark.parametrize(("method", "path"), _paths(), ids=lambda x: x)
def test_no_input_makes_it_fall_over(fuzzed: Asked, method: str, path: str) -> None:
    schema = schemathesis.openapi.from_asgi("/openapi.json", fuzzed.app)
    operation = schema[path][method]
    strategy = operation.as_strategy() | operation.as_strategy(
        generation_mode=schemathesis.GenerationMode.NEGATIVE
    )

    @hypothesis.settings(
        max_examples=25,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(case=strategy)
    def runs(case: schemathesis.Case) -> None:
        case.call_and_validate(headers=fuzzed.headers(), checks=CHECKS)

    runs()


def test_the_description_offers_no_word_that_is_always_refused(fuzzed: Asked) -> None:
    """Every word of a closed list that it names for a field can be used there."""
    schemas = fuzzed.client.get("/openapi.json").json()["components"]["schemas"]

    def words(struct: str, name: str) -> set[str]:
        said = schemas[struct]["properties"][name]
        said = next(iter(said.get("anyOf", ())), said)
        return set(said.get("enum") or schemas[said["$ref"].rpartition("/")[2]]["enum"])

    said = {"occurred_at": "2026-01-05T10:00:00Z", "evidence": "a form"}
    assert words("EventItem", "action") == {str(a) for a in Action} - {"erase"}
    for number, consent in enumerate(sorted(words("EventItem", "consent"))):
        item = {"subject": "ann@example.com", "action": "opt_in", "consent": consent, **said}
        (answer,) = fuzzed.say(item | {"request_id": f"described-{number}"})
        assert "error" not in answer, answer
    for channel in words("CheckItem", "channel") & words("SendItem", "channel"):
        item = {"to": "ann@example.com", "channel": channel, "topic": "weekly_deals"}
        (answer,) = fuzzed.post("/v1/check", {"checks": [item]}).json()["decisions"]
        assert "Invalid" not in answer.get("error", {}).get("detail", "")
        assert "No channel is called" not in answer.get("error", {}).get("detail", "")
    assert "*" not in words("CheckItem", "channel") | words("SendItem", "channel")
    for struct, name in (("CheckItem", "to"), ("SendItem", "to"), ("StampRequest", "to"),
                         ("EventItem", "address")):  # fmt: skip
        said = schemas[struct]["properties"][name]
        text = next(iter(said.get("anyOf", ())), said)["description"]
        assert "contact" not in text
        assert "md5" not in text
    # Words that are refused are answered with a sentence that says what to do instead.
    item = {"subject": "ann@example.com", "action": "erase"}
    assert "heedful erase" in fuzzed.say(item)[0]["error"]["detail"]


def test_the_fuzz_left_a_ledger_that_verifies(fuzzed: Asked, tmp_path: Path) -> None:
    from heedful.ledger.verify import verify

    report = verify(fuzzed.house.ledger)
    assert report.differences == ()
