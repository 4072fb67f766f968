import random
import re
import sys
from pathlib import Path

import jsonschema
import msgspec
import pytest

from wakeful.context import Seen, observation_line
from wakeful.events import SEVERITIES
from wakeful.mind.schema import Reply, reply_schema

sys.path.insert(0, str(Path(__file__).parents[2]))  # `training` is no package of the distribution

from training.pilot import real
from training.pilot.case import Case, numbers, unquoted
from training.pilot.cases import draw
from training.pilot.dialogue import as_seen, conversation, document, judging, thought_exchange
from training.pilot.logs import log
from training.pilot.metrics import LIMITS, grade
from training.pilot.names import _HELD_OUT, _TRAIN, PIECES, Names

CITED = re.compile(r"^(#\d+) ", re.MULTILINE)


def names(seed: int = 1, *, held_out: bool = False) -> Names:
    return Names(random.Random(seed), held_out=held_out)


def cases(count: int = 400) -> list[Case]:
    source = names(5)
    return [draw(source) for _ in range(count)]


def test_the_same_seed_gives_the_same_documents() -> None:
    assert [document(names(3), 2) for _ in range(5)] == [document(names(3), 2) for _ in range(5)]


@pytest.mark.parametrize("kind", sorted(_TRAIN))
def test_training_and_evaluation_share_no_names(kind: str) -> None:
    assert not set(_TRAIN[kind]) & set(_HELD_OUT[kind])


def test_every_thought_obeys_the_schema_of_the_mind() -> None:
    source = names(7)
    for _ in range(120):
        exchange = thought_exchange(source, 10, 10**18, "")[0]
        asked = exchange.user.split("\nRemembered:")[0]
        jsonschema.validate(
            msgspec.json.decode(exchange.reply), reply_schema(CITED.findall(asked), shown=exchange.user)
        )


def test_no_share_of_the_pilot_can_leave_its_range() -> None:
    properties = reply_schema(["#1"], shown="")["properties"]
    for schema in (
        properties["prediction_error"],
        properties["confidence"],
        *properties["attention"]["properties"].values(),
    ):
        assert schema == {"enum": [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]}


def test_what_must_be_copied_stands_in_the_observation() -> None:
    for case in cases():
        line = observation_line(1, as_seen(case, 1, 10**18).observation, as_seen(case, 1, 10**18).salience)
        if case.entity != "first look":
            assert case.entity in line
        assert not set(numbers(case.observed)) - set(numbers(unquoted(line)))
        assert not set(numbers(case.assessment)) - set(numbers(unquoted(line)))


def test_words_of_training_are_made_of_every_short_piece_that_the_tokenizer_has() -> None:
    source = names(12)
    text = " ".join(source.word() for _ in range(20_000))
    assert len(PIECES) > 500
    assert sum(piece in text for piece in PIECES) > 0.98 * len(PIECES)


def test_names_that_are_alike_share_their_pieces_and_end_with_their_document() -> None:
    source = names(6)
    addresses = {source.alike().ip() for _ in range(20)}
    few = source.alike()
    octets = {octet for _ in range(50) for octet in few.ip().split(".")}
    assert len(octets) <= 5
    assert len(addresses) > 10


def test_a_focus_names_its_entity() -> None:
    for case in cases():
        assert case.severity in SEVERITIES
        if case.entity != "first look":
            assert case.entity in case.focus


def test_a_prediction_that_came_true_is_a_small_error() -> None:
    bad = Case("journald", "b", "critical", "f2", "", "", "it goes on")
    source = names(1)
    for _ in range(40):
        exchange = thought_exchange(source, 1, 10**18, "all is quiet", bad)[0]
        reply = msgspec.json.decode(exchange.reply, type=Reply)
        assert reply.prediction_error == (0.1 if reply.expected == "it goes on" else 0.9)
        assert f"Expected: {reply.expected}" in exchange.user


def test_a_judgement_names_every_observation_once() -> None:
    source = names(11)
    for _ in range(20):
        _, (_, user), (_, reply) = judging(source)
        told = [each.split() for each in msgspec.json.decode(reply)["all"]]
        assert [number for number, _ in told] == CITED.findall(user)
        assert all(severity in SEVERITIES for _, severity in told)


def test_an_idle_moment_cites_nothing() -> None:
    source = names(1)
    replies = [msgspec.json.decode(thought_exchange(source, 1, 10**18, "")[0].reply, type=Reply) for _ in range(400)]
    idle = [reply for reply in replies if reply.focus == "nothing new"]
    assert 0 < len(idle) < 40
    assert all(reply.evidence == [] and reply.severity == "info" for reply in idle)


def test_held_out_wordings_come_only_when_asked_for() -> None:
    source = names(2)
    assert not any(log(source).held_wording for _ in range(300))
    assert all(log(source, held_wording=True).held_wording for _ in range(50))


@pytest.mark.parametrize("name", sorted(LIMITS))
def test_severity_of_a_number_changes_at_its_limits(name: str) -> None:
    warning, critical = LIMITS[name]
    assert grade(name, warning - 0.1) == "info"
    assert grade(name, warning) == "warning"
    assert grade(name, critical) == "critical"


def test_a_conversation_carries_its_predictions_on() -> None:
    talk = conversation(names(4), 4)
    for at in range(2, len(talk) - 1, 2):
        before = msgspec.json.decode(talk[at][1], type=Reply)
        assert f"Expected: {before.next_prediction}" in talk[at + 1][1] or before.next_prediction != ""
        after = msgspec.json.decode(talk[at + 2][1], type=Reply)
        assert f"Expected: {after.expected or 'nothing yet'}" in talk[at + 1][1]


def test_lines_written_by_hand_are_well_formed() -> None:
    for line in real.lines():
        assert line.severity in SEVERITIES
        assert line.entity in f"{line.source} {line.text}"
        assert line.source
        seen = Seen(1, as_seen(Case(line.source, line.text, "info", "", "", "", ""), 1, 1).observation)
        assert line.text.split()[0] in observation_line(1, seen.observation)
