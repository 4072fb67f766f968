"""Whole conversations in the words of Wakeful's prompts, made with its own code so that they can't drift."""

import random
from dataclasses import dataclass

import msgspec

from training.pilot.case import Case
from training.pilot.cases import draw
from training.pilot.logs import gibberish
from training.pilot.metrics import metrics
from training.pilot.names import Names
from wakeful.context.render import cite
from wakeful.context.turn import Seen, moment
from wakeful.events import ActionType, Cursor, Entry, Observation, Salience, Thought
from wakeful.mind.prompt import PILOT, prompt
from wakeful.mind.schema import AttentionShares, Reply

START_NS = 1_767_225_600 * 10**9  # 2026-01-01
YEAR_S = 360 * 86400
COPIES, JUDGEMENTS = 0.10, 0.12
"""Shares of the training documents that only copy, only judge; the others are thoughts."""
ALIKE = 0.2
"""Share of those that do not only copy whose names share their pieces."""
TURNS = [30, 2, 1, 0.5, 0.5]
"""How often a conversation has one turn, two, three ..."""
IDLE = 0.03
"""Share of the moments with nothing to see; in all others there is one observation (`wakeful.mind.one_by_one`)."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One user turn, its answer, and the case that the answer is about."""

    user: str
    reply: str
    case: Case | None = None
    cited: tuple[str, ...] = ()


def conversation(names: Names, turns: int) -> list[tuple[str, str]]:
    """A system message and `turns` exchanges, as (role, text)."""
    rng = names.rng
    at_ns = START_NS + rng.randint(0, YEAR_S) * 10**9
    seq = rng.randint(1, 10 ** rng.randint(1, 7))
    messages = [("system", prompt(PILOT))]
    expected = "" if rng.random() < 0.5 else draw(names).prediction
    for number in range(turns):
        exchange, seq, at_ns, expected = thought_exchange(names, seq, at_ns, expected)
        user = exchange.user
        if number == 0 and rng.random() < 0.12:
            user = _earlier(names) + user
        messages += [("user", user), ("assistant", exchange.reply)]
    return messages


def thought_exchange(
    names: Names, seq: int, at_ns: int, expected: str, given: Case | None = None
) -> tuple[Exchange, int, int, str]:
    """One moment, of a case drawn or `given`, and its thought; with where the next one begins."""
    rng = names.rng
    case = draw(names) if given is None and rng.random() >= IDLE else given
    reason = rng.choice(["salience"] * 6 + ["retry", "scheduled", "due", "asked"]) if case else "idle"
    if expected and case and rng.random() < 0.15:
        expected = case.prediction
    fulfilled = bool(case and expected == case.prediction)
    others = {names.container(): rng.randint(1, 900)} if rng.random() < 0.04 else {}
    recalled = [_memory(names, rng.randint(1, max(seq - 1, 1)), at_ns) for _ in range(rng.choice([0] * 14 + [1, 2, 3]))]
    seen = [as_seen(case, seq, at_ns)] if case else []
    user = moment(seen, now_ns=at_ns + 10**9, reason=reason, expected=expected, others=others, recalled=recalled)
    cited = (cite(seq),) if case else ()
    reply = _reply(case, cited, expected, fulfilled, rng)
    text = msgspec.json.encode(reply).decode()
    after = seq + rng.choice([1, 1, 2, rng.randint(1, 300)])
    return Exchange(user, text, case, cited), after, at_ns + rng.randint(0, 100) * 10**9, reply.next_prediction


def as_seen(case: Case, seq: int, at_ns: int) -> Seen:
    observation = Observation(at_ns=at_ns, source=case.source, form=case.form, text=case.text)
    salience = None
    if case.reasons:
        salience = Salience(
            at_ns=at_ns,
            about=seq,
            source=case.source,
            surprise_nats=5,
            precision=1,
            salience=0.9,
            threshold=0.5,
            reasons=case.reasons,
        )
    return Seen(seq, observation, salience)


def _reply(case: Case | None, cited: tuple[str, ...], expected: str, fulfilled: bool, rng: random.Random) -> Reply:
    if case is None:
        return Reply(
            focus="nothing new",
            evidence=[],
            observed="nothing stood out",
            assessment="All is quiet.",
            severity="info",
            expected=expected,
            prediction_error=0.1,
            attention=AttentionShares(0.6, 0.2, 0.2),
            action_needed=False,
            action_type="reflect",
            action_details="",
            next_prediction="it stays quiet",
            confidence=0.8,
            self_assessment="There was nothing to judge.",
        )
    info = case.severity == "info"
    error = 0.1 if fulfilled else (0.2 if info else {"warning": 0.6, "critical": 0.9}[case.severity])
    return Reply(
        focus=case.focus,
        evidence=list(cited),
        observed=case.observed,
        assessment=case.assessment,
        severity=case.severity,
        expected=expected,
        prediction_error=error,
        attention=AttentionShares(0.1, 0.8, 0.1),
        action_needed=bool(case.action),
        action_type=_action_type(case),
        action_details=case.action,
        next_prediction=case.prediction,
        confidence={"info": 0.8, "warning": 0.6, "critical": 0.7}[case.severity],
        self_assessment={
            "info": "A routine event, easy to judge.",
            "warning": "Worth a look; the cause is not known.",
            "critical": "Serious; a person should know.",
        }[case.severity],
    )


def _action_type(case: Case) -> ActionType:
    return {"critical": "delegate", "warning": "observe", "info": "update_model"}[case.severity]


def _thought(case: Case, at_ns: int) -> Thought:
    return Thought(
        at_ns=at_ns,
        cycle="",
        reason="salience",
        focus=case.focus,
        observed=case.observed,
        assessment=case.assessment,
        severity=case.severity,
        evidence=(),
        expected="",
        prediction_error=0,
        confidence=0,
        next_prediction="",
        attention_internal=0,
        attention_external=0,
        attention_memory=0,
        action_needed=False,
        action_type="observe",
        action_details="",
        self_assessment="",
        model="",
        prompt_version="",
    )


def _memory(names: Names, seq: int, at_ns: int) -> Entry:
    return Entry(seq, Cursor(""), _thought(draw(names), at_ns - names.rng.randint(1, 10**6) * 10**9))


def _earlier(names: Names) -> str:
    lines = ["Earlier:"]
    for _ in range(names.rng.randint(1, 8)):
        case = draw(names)
        lines.append(f"- {names.rng.randint(0, 23):02d}:{names.rng.randint(0, 59):02d} {case.severity} {case.focus}")
    return "\n".join(lines) + "\n"


def copying(names: Names) -> list[tuple[str, str]]:
    """Plain copying of things drawn at random: the one skill that all else rests on."""
    rng = names.rng
    if rng.random() < 0.5:
        exchange = thought_exchange(
            names, rng.randint(1, 10**6), START_NS + rng.randint(0, YEAR_S) * 10**9, "", gibberish(names)
        )[0]
        return [("system", prompt(PILOT)), ("user", exchange.user), ("assistant", exchange.reply)]
    makers = [
        names.proc,
        names.path,
        names.addr,
        names.container,
        names.unit,
        names.number,
        names.filler,
        names.dev,
        names.url,
    ]
    lines = {
        f"#{rng.randint(1, 99999)}": " ".join(rng.choice(makers)() for _ in range(rng.choice([1, 1, 2, 3])))
        for _ in range(rng.randint(3, 12))
    }
    asked = rng.choice(list(lines))
    user = "\n".join(f"{number} {thing}" for number, thing in lines.items())
    reply = {"answer": lines[asked], "all": list(lines.values())}
    return [
        ("system", "Copy."),
        ("user", f"{user}\nQuestion: {asked}"),
        ("assistant", msgspec.json.encode(reply).decode()),
    ]


def judging(names: Names) -> list[tuple[str, str]]:
    """The severity of each of several observations, and nothing else: a whole thought teaches only one."""
    rng = names.rng
    at_ns = START_NS + rng.randint(0, YEAR_S) * 10**9
    seq = rng.randint(1, 10 ** rng.randint(1, 7))
    cases = [metrics(names, "look") if rng.random() < 0.1 else draw(names) for _ in range(rng.randint(3, 8))]
    seen = [as_seen(case, seq + number, at_ns) for number, case in enumerate(cases)]
    user = moment(seen, now_ns=at_ns, reason="asked", expected="").partition("\nExpected:")[0]
    reply = {"all": [f"{cite(each.seq)} {case.severity}" for each, case in zip(seen, cases)]}
    return [("system", "Judge."), ("user", user), ("assistant", msgspec.json.encode(reply).decode())]


def document(names: Names, stage: int) -> list[tuple[str, str]]:
    """A training document; stage 0 mostly copies, 1 is short, 2 is everything."""
    shape = names.rng.random()
    if shape < (0.5 if stage == 0 else COPIES):
        return copying(names)
    if names.rng.random() < ALIKE:
        names = names.alike()
    if shape < COPIES + JUDGEMENTS:
        return judging(names)
    turns = 1 if stage < 2 else names.rng.choices([1, 2, 3, 4, 5], TURNS)[0]
    return conversation(names, turns)


if __name__ == "__main__":
    names = Names(random.Random())
    for maker in (
        lambda: conversation(names, 2),
        lambda: copying(names),
        lambda: judging(names),
    ):
        print(*(f"<{role}> {text}" for role, text in maker()), sep="\n", end="\n\n")
