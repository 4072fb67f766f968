"""How well the mind does, in numbers, and what it changes about itself because of them."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted_model import Messages, ScriptedServer, thought
from test_mind_loop import awake, events, line, until

from wakeful.events import (
    ActionResult,
    Claim,
    Cursor,
    Entry,
    Event,
    Feedback,
    Notification,
    Observation,
    ParameterChange,
    ParameterVerdict,
    Prediction,
    Thought,
    ThoughtFailed,
    WakeReason,
)
from wakeful.journal import Journal
from wakeful.mind import MindSettings, prompt
from wakeful.mind.metacognition.likeness import STUCK, alike, opposed, stuck, words
from wakeful.mind.metacognition.tuning import IDLE, KEEP, LEAST_THOUGHTS, STANCE, THRESHOLD, Tuning
from wakeful.mind.metacognition.vitals import Vitals, figures_in_words, vitals

S = 10**9
DAY_NS = 86_400 * S


def thinks(number: int, **changes: Any) -> Thought:
    fields: dict[str, Any] = {
        "at_ns": number * S,
        "cycle": f"c{number}",
        "reason": "salience",
        "focus": f"focus {'abcdefghijklmnopqrstuvwxyz'[number % 26] * 3}",
        "observed": "x",
        "assessment": f"assessed {'zyxwvutsrqponmlkjihgfedcba'[number % 26] * 3}",
        "severity": "info",
        "evidence": (),
        "expected": "",
        "prediction_error": 0.1,
        "confidence": 0.8,
        "next_prediction": "",
        "attention_internal": 0.1,
        "attention_external": 0.8,
        "attention_memory": 0.1,
        "action_needed": False,
        "action_type": "observe",
        "action_details": "",
        "self_assessment": "",
        "model": "m",
        "prompt_version": "base-2",
        "duration_s": float(number),
        "prompt_tokens": 90,
        "completion_tokens": 10,
    }
    return Thought(**(fields | changes))


def figures(*happened: Event, reasons: tuple[WakeReason, ...] = ()) -> Vitals:
    return vitals([Entry(seq, Cursor(""), event) for seq, event in enumerate(happened, 1)], reasons=reasons)


@settings(deadline=None)
@given(st.text(), st.text())
def test_likeness_is_symmetric_and_holds_of_itself(one: str, other: str) -> None:
    assert alike(words(one), words(other)) == alike(words(other), words(one))
    assert alike(words(one), words(one)) == bool(words(one))


def test_numbers_do_not_make_another_thought() -> None:
    assert alike(words("disk /data is 97.1% full"), words("disk /data is 98.4% full"))
    assert not alike(words("disk /data is full"), words("nginx refuses connections"))


def test_what_is_repeated_stuck_and_contradicting_is_counted() -> None:
    same = {"focus": "disk on /data", "assessment": "It fills."}
    found = figures(
        thinks(0),
        thinks(1, **same),
        thinks(2, **same),
        thinks(3, focus="disk on /data", severity="critical", assessment="Something quite different came to mind."),
    )
    assert found.thoughts == 4
    assert found.repeated == pytest.approx(1 / 4)
    assert found.contradicting == pytest.approx(1 / 4)
    assert found.stuck == 1
    assert stuck([thinks(0), *(thinks(n, **same) for n in range(1, 5))]) == STUCK
    assert stuck([]) == 0
    assert figures(thinks(1), thinks(5000, focus=thinks(1).focus, severity="critical")).contradicting == 0


def test_failures_latency_cost_and_what_thoughts_led_to_are_counted() -> None:
    found = figures(
        thinks(0),
        thinks(1, repaired=True),
        thinks(2),
        thinks(3),
        ThoughtFailed(at_ns=1, cycle="x", reason="salience", error="no JSON"),
        ThoughtFailed(at_ns=1, cycle="y", reason="salience", error="server down", retried=True),
        Notification(at_ns=1, key="c0", severity="warning", title="t", text="t"),
        ActionResult(at_ns=1, key="c1", outcome="done"),
        ActionResult(at_ns=1, key="c2", outcome="declined"),
        Feedback(at_ns=1, about=4, useful=True),
        Feedback(at_ns=1, about=3, useful=False),
    )
    assert found.failed == pytest.approx(1 / 5)
    assert found.repaired == pytest.approx(1 / 4)
    assert found.led == pytest.approx(3 / 4)
    assert found.useless == pytest.approx(1 / 2)
    assert (found.latency_p50_s, found.latency_p95_s) == (2.0, 3.0)
    assert (found.tokens, found.per_thought) == (400, 100)
    assert "led to something 75%" in figures_in_words(found)
    nothing = figures()
    assert (nothing.thoughts, nothing.led, nothing.latency_p95_s) == (0, 0, 0)


def test_opposed_predictions_are_a_contradiction() -> None:
    def made(number: int, claim: Claim, probability: float = 0.8) -> Prediction:
        return Prediction(
            at_ns=number * S, cycle=f"c{number}", claim="x", probability=probability, due_ns=100 * S, condition=claim
        )

    comes, away = Claim(form="comes", text="oom"), Claim(form="stays_away", text="oom")
    assert opposed(made(0, comes), made(1, away))
    assert not opposed(made(0, comes), made(1, away, 0.4))
    assert not opposed(made(0, comes), made(100, away))
    assert not opposed(made(0, comes), made(1, Claim(form="stays_away", text="other")))
    rises = Claim(form="reaches", source="m", metric="cpu", value=90)
    assert opposed(made(0, rises), made(1, Claim(form="stays", source="m", metric="cpu", value=90, comparison="<")))
    assert figures(thinks(0), thinks(1), made(0, comes), made(1, away)).contradicting == pytest.approx(1 / 2)


WAKINGS: tuple[WakeReason, ...] = ("salience",)
IDLE_ONES: tuple[WakeReason, ...] = ("idle",)


ALL: tuple[WakeReason, ...] = ()


def measured(led: float = 0.5, repeated: float = 0.0, thoughts: int = LEAST_THOUGHTS, **more: float) -> Vitals:
    return replace(figures(), led=led, repeated=repeated, thoughts=thoughts, **more)


def learn(tuning: Tuning, made: list[Event], seq: int) -> None:
    for number, event in enumerate(made):
        tuning.learn(Entry(seq + number, Cursor(""), event))


def test_without_bounds_nothing_is_ever_changed() -> None:
    tuning = Tuning({THRESHOLD: 0.5, IDLE: 60.0}, {})
    assert tuning.propose({WAKINGS: measured(led=0.0), IDLE_ONES: measured(repeated=1.0)}, DAY_NS) == []
    change = ParameterChange(
        at_ns=1, parameter=THRESHOLD, before=0.5, after=0.6, reason="x", measure="led", expected="higher", was=0.1
    )
    learn(tuning, [change], 1)  # of a time when there were bounds
    assert tuning.value(THRESHOLD) == 0.5


def test_a_change_that_helps_is_kept_and_one_that_does_not_is_taken_back_and_not_tried_again_soon() -> None:
    tuning = Tuning({THRESHOLD: 0.5, IDLE: 60.0}, {THRESHOLD: (0.4, 0.7)})
    [first] = tuning.propose({WAKINGS: measured(led=0.1)}, DAY_NS)
    assert isinstance(first, ParameterChange)
    assert (first.before, first.after, first.measure, first.expected) == (0.5, 0.55, "led", "higher")
    learn(tuning, [first], 1)
    assert tuning.value(THRESHOLD) == 0.55
    assert tuning.propose({WAKINGS: measured(led=0.1)}, DAY_NS) == []  # one at a time
    assert tuning.judge({WAKINGS: measured(thoughts=LEAST_THOUGHTS - 1)}, 2 * DAY_NS) == []
    [kept] = tuning.judge({WAKINGS: measured(led=0.4)}, 2 * DAY_NS)
    assert isinstance(kept, ParameterVerdict)
    assert kept.kept
    learn(tuning, [kept], 2)
    [second] = tuning.propose({WAKINGS: measured(led=0.1)}, 3 * DAY_NS)
    learn(tuning, [second], 3)
    assert tuning.value(THRESHOLD) == pytest.approx(0.6)
    made = tuning.judge({WAKINGS: measured(led=0.1)}, 4 * DAY_NS)
    assert [type(each) for each in made] == [ParameterVerdict, ParameterChange]
    learn(tuning, made, 4)
    assert tuning.value(THRESHOLD) == pytest.approx(0.55)
    assert tuning.propose({WAKINGS: measured(led=0.1)}, 5 * DAY_NS) == []
    assert tuning.propose({WAKINGS: measured(led=0.1)}, 20 * DAY_NS)


def test_a_stance_that_does_not_help_is_taken_back_and_the_next_one_is_tried() -> None:
    tuning = Tuning({STANCE: "base"}, {}, {STANCE: ("base", "structured", "fep")})
    assert tuning.chosen(STANCE) == "base"
    assert tuning.propose({ALL: measured(failed=0.1)}, DAY_NS) == []
    [first] = tuning.propose({ALL: measured(failed=0.4)}, DAY_NS)
    assert isinstance(first, ParameterChange)
    assert first.body == "stance from base to structured: many of its answers are unusable"
    learn(tuning, [first], 1)
    assert tuning.chosen(STANCE) == "structured"
    made = tuning.judge({ALL: measured(failed=0.38)}, 2 * DAY_NS)
    learn(tuning, made, 2)
    assert [type(each) for each in made] == [ParameterVerdict, ParameterChange]
    assert tuning.chosen(STANCE) == "base"
    [second] = tuning.propose({ALL: measured(failed=0.4)}, 3 * DAY_NS)
    learn(tuning, [second], 4)
    assert tuning.chosen(STANCE) == "fep"
    learn(tuning, tuning.judge({ALL: measured(failed=0.1)}, 4 * DAY_NS), 5)
    assert tuning.chosen(STANCE) == "fep"
    gone = Tuning({STANCE: "base"}, {}, {STANCE: ("structured",)})  # the user took it off the list
    learn(gone, [first, *made, second], 1)
    assert gone.chosen(STANCE) == "base"


def test_compaction_keeps_more_where_thoughts_repeat_and_less_where_most_is_read_anew() -> None:
    tuning = Tuning({KEEP: 0.125}, {KEEP: (0.1, 0.4)})
    [first] = tuning.propose({ALL: measured(repeated=0.6)}, DAY_NS)
    learn(tuning, [first], 1)
    assert tuning.value(KEEP) == 0.25
    learn(tuning, tuning.judge({ALL: measured(repeated=0.2)}, 2 * DAY_NS), 2)
    [second] = tuning.propose({ALL: measured(reread=0.7)}, 3 * DAY_NS)
    learn(tuning, [second], 3)
    assert tuning.value(KEEP) == 0.125
    learn(tuning, tuning.judge({ALL: measured(reread=0.69)}, 4 * DAY_NS), 4)
    assert tuning.value(KEEP) == 0.25
    assert tuning.propose({ALL: measured(reread=0.69)}, 5 * DAY_NS) == []


def test_what_is_read_anew_is_counted_where_the_server_tells() -> None:
    told = figures(
        thinks(0, prompt_tokens=1000, evaluated_tokens=900),
        thinks(1, prompt_tokens=1000, evaluated_tokens=100),
        thinks(2, prompt_tokens=5000),
    )
    assert told.reread == pytest.approx(0.5)
    assert figures(thinks(0)).reread == 0


async def test_another_stance_and_compaction_hold_from_the_next_thought_on_and_after_a_restart(tmp_path: Path) -> None:
    now_ns = time.time_ns()
    contrary = [
        thinks(number, at_ns=now_ns - number, focus="one thing", severity=("info", "critical")[number % 2])
        for number in range(LEAST_THOUGHTS)
    ]
    async with await Journal.open(tmp_path / "journal.db") as journal:
        await journal.append(contrary)
    free = MindSettings(
        first_look=False, reflect_every_s=0.2, stances=("base", "structured"), bounds={KEEP: (0.2, 0.5)}
    )
    async with ScriptedServer() as server, awake(tmp_path, server, free) as (mind, journal):
        [change] = await until(journal, ParameterChange)
        assert (change.parameter, change.after_name) == (STANCE, "structured")
        came = (await until(journal, Thought, LEAST_THOUGHTS + 1))[-1]
        assert came.prompt_version == "structured-1"
        assert server.prompts[-1][0]["content"].startswith(prompt("structured-1"))
        assert mind._conversation.keep_share == 0.2
    later = replace(free, reflect_every_s=0.0)
    async with ScriptedServer() as server, awake(tmp_path, server, later) as (mind, journal):
        await journal.append([line("ERROR one: panic")])
        came = (await until(journal, Thought, LEAST_THOUGHTS + 2))[-1]
        assert came.prompt_version == "structured-1"
    own = tmp_path / "own.md"
    own.write_text("Think as I say.")
    async with (
        ScriptedServer() as server,
        awake(tmp_path, server, replace(later, prompt=str(own))) as (mind, journal),
    ):
        await journal.append([line("FATAL two: corrupt", "log:/other")])
        came = (await until(journal, Thought, LEAST_THOUGHTS + 3))[-1]
        assert came.prompt_version.startswith("own-")


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), max_size=20), st.floats(0.1, 0.5), st.floats(0.5, 0.9))
def test_whatever_the_figures_are_a_parameter_stays_within_its_bounds(
    shares: list[tuple[float, float]], low: float, high: float
) -> None:
    tuning = Tuning({THRESHOLD: 0.5, IDLE: 60.0}, {THRESHOLD: (low, high), IDLE: (30.0, 600.0)})
    for day, (led, repeated) in enumerate(shares, 1):
        found = {WAKINGS: measured(led=led), IDLE_ONES: measured(led=led, repeated=repeated)}
        made = tuning.judge(found, day * DAY_NS) or tuning.propose(found, day * DAY_NS)
        learn(tuning, made, 10 * day)
        assert low <= tuning.value(THRESHOLD) <= high
        assert 30.0 <= tuning.value(IDLE) <= 600.0


async def test_a_loop_that_is_stuck_is_observed_once(tmp_path: Path) -> None:
    async with ScriptedServer() as server, awake(tmp_path, server) as (_, journal):
        for number in range(STUCK + 1):
            await journal.append([line(f"FATAL {'abcdefgh'[number] * 5} corrupt", f"log:/{number}")])
            await until(journal, Thought, number + 1)
        seen = [each for each in await events(journal, Observation) if each.source == "mind"]
        assert len(seen) == 1
        assert "stuck: the last 4 thoughts said the same, about something" in seen[0].text


async def test_the_slow_clock_observes_thinks_tunes_and_goes_on_where_it_was(tmp_path: Path) -> None:
    def answer(messages: Messages, offered: list[str]) -> str:
        return thought(messages, offered, severity="info")

    now_ns = time.time_ns()
    async with await Journal.open(tmp_path / "journal.db") as journal:
        await journal.append([thinks(number, at_ns=now_ns - number) for number in range(LEAST_THOUGHTS)])
    settings = MindSettings(first_look=False, reflect_every_s=0.2, bounds={THRESHOLD: (0.4, 0.7)})
    async with ScriptedServer(answer) as server, awake(tmp_path, server, settings) as (mind, journal):
        [change] = await until(journal, ParameterChange)
        assert (change.parameter, change.after, change.measure) == (THRESHOLD, 0.55, "led")
        came = (await until(journal, Thought, LEAST_THOUGHTS + 1))[-1]
        assert came.reason == "reflective"
        assert "Your last day: 10 thoughts, led to something 0%" in server.prompts[0][-1]["content"]
        seen = [each for each in await events(journal, Observation) if each.source == "mind"]
        assert seen[0].values["led_percent"] == 0
        assert mind.attending.attention.budget.threshold(now_ns - 10**12) == pytest.approx(0.55, abs=0.2)
    async with ScriptedServer(answer) as server, awake(tmp_path, server, MindSettings(first_look=False)) as (mind, _):
        assert mind._tuning.value(THRESHOLD) == 0.5  # the bounds are gone, and with them the change
    again = MindSettings(first_look=False, bounds={THRESHOLD: (0.4, 0.7)})
    async with ScriptedServer(answer) as server, awake(tmp_path, server, again) as (mind, journal):
        await journal.append([line("ERROR one: panic")])
        await until(journal, Thought, LEAST_THOUGHTS + 2)
        assert mind._tuning.value(THRESHOLD) == 0.55
