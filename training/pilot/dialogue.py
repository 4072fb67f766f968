"""Whole conversations in the words of Wakeful's prompts, made with its own code so that they can't drift."""

import random
import re
from dataclasses import dataclass

import msgspec

from training.pilot.case import ORDER, Case
from training.pilot.cases import draw
from training.pilot.logs import gibberish
from training.pilot.metrics import metrics
from training.pilot.names import Names
from wakeful.context.render import cite, clock
from wakeful.context.turn import Seen, moment, question
from wakeful.events import (
    ActionType,
    Answer,
    Cursor,
    Entry,
    Event,
    Health,
    Observation,
    Question,
    Salience,
    Session,
    Thought,
)
from wakeful.mind.prompt import ASK, PILOT, prompt
from wakeful.mind.schema import AskReply, AttentionShares, Reply

START_NS = 1_767_225_600 * 10**9  # 2026-01-01
YEAR_S = 360 * 86400
COPIES, JUDGEMENTS, QUESTIONS = 0.10, 0.12, 0.08
"""Shares of the training documents that only copy, only judge, ask a question; the others are thoughts."""
ALIKE = 0.2
"""Share of those that do not only copy whose names share their pieces."""
TURNS = [30, 2, 1, 0.5, 0.5]
"""How often a conversation has one turn, two, three ..."""
IDLE = 0.03
"""Share of the moments with nothing to see; in all others there is one observation (`wakeful.mind.one_by_one`)."""


_UNSEEN = re.compile(r", usually [\d.]+(?:%|C| [kM]B/s)?|(?<=full) and has about [\d.]+ hours left")
"""What an assessment knows from the reasons, which a journal line does not show."""


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
    observation = Observation(at_ns=at_ns, source=case.source, form=case.form, text=case.text, count=case.count)
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


def ask_conversation(names: Names) -> list[tuple[str, str]]:
    """A person's question over journal lines, and its answer."""
    exchange = ask_exchange(names)
    return [("system", prompt(ASK)), ("user", exchange.user), ("assistant", exchange.reply)]


def ask_exchange(names: Names) -> Exchange:
    rng = names.rng
    at_ns = START_NS + rng.randint(0, YEAR_S) * 10**9
    seq = rng.randint(1, 10 ** rng.randint(1, 7))
    entries: list[Entry] = []
    cases: list[Case] = []
    for _ in range(rng.choice([0, 1, 1, 2, 2, 3, 4, 5, 7, 10])):
        case = draw(names)
        at_ns += rng.randint(1, 600) * 10**9
        seq += rng.randint(1, 200)
        if rng.random() < 0.5 or case.kind == "metrics rate":  # whose line does not show the rate
            event = _thought(case, at_ns)
        else:
            case.assessment = _UNSEEN.sub("", case.assessment)
            event = Observation(at_ns=at_ns, source=case.source, form=case.form, text=case.text, count=case.count)
        entries.append(Entry(seq, Cursor(""), event))
        cases.append(case)
        if rng.random() < 0.08:  # beside what was seen and thought, what was said
            seq += rng.randint(1, 9)
            entries.append(Entry(seq, Cursor(""), _aside(names, at_ns)))
            cases.append(_NOTHING)
    asked = rng.choice(
        [
            "what happened in the last hour?",
            "what happened last night?",
            "anything wrong?",
            "is all well?",
            "what failed tonight?",
            "did anything fail?",
            "what should I look at?",
            "how is the machine?",
            "what did you see?",
            "any trouble since yesterday?",
            "what happened today?",
            "what happened since 03:00?",
            "what happened in the last 3 hours?",
            "summarise the night",
        ]
    )
    picked = [at for at in range(len(cases)) if cases[at].severity != "info"]
    if len(picked) > 3:
        picked = sorted(sorted(picked, key=lambda at: -ORDER[cases[at].severity])[:3])
    named = [at for at in range(len(cases)) if cases[at].entity not in ("", "first look")]
    if named and rng.random() < 0.3:
        at = rng.choice(named)
        asked = rng.choice(["anything about {}?", "what about {}?", "is {} all right?", "what happened to {}?"]).format(
            cases[at].entity
        )
        picked = [at]
    told = [f"{clock(entries[at].event.at_ns)[:5]} {cases[at].assessment}" for at in picked]
    answer = " ".join(told) or ("Nothing out of the ordinary." if cases else "The journal has nothing on that.")
    reply = AskReply(answer=answer, evidence=[cite(entries[at].seq) for at in picked])
    user = question(asked, entries, now_ns=at_ns + 10**11)
    return Exchange(
        user, msgspec.json.encode(reply).decode(), cases[picked[0]] if picked else None, tuple(reply.evidence)
    )


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


_NOTHING = Case("", "", "info", "", "", "", "")


def _aside(names: Names, at_ns: int) -> Event:
    said = draw(names).assessment
    return names.rng.choice(
        [
            Question(at_ns=at_ns, text=names.rng.choice(["what happened?", "is all well?", "what failed tonight?"])),
            Answer(at_ns=at_ns, question=1, text=said, evidence=(), model=""),
            Health(
                at_ns=at_ns,
                part=names.rng.choice(["model", "metrics", "journald"]),
                state="up",
                text=names.filler(),
            ),
            Session(at_ns=at_ns, state=names.rng.choice(["started", "stopped"]), version="", text=names.filler()),
        ]
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
    if shape > 1 - QUESTIONS:
        return ask_conversation(names)
    turns = 1 if stage < 2 else names.rng.choices([1, 2, 3, 4, 5], TURNS)[0]
    return conversation(names, turns)


if __name__ == "__main__":
    names = Names(random.Random())
    for maker in (
        lambda: conversation(names, 2),
        lambda: ask_conversation(names),
        lambda: copying(names),
        lambda: judging(names),
    ):
        print(*(f"<{role}> {text}" for role, text in maker()), sep="\n", end="\n\n")
