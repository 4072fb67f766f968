"""Claims: what bears on them, when they are decided, what plain words and a model's choice make of one."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wakeful.events import Claim, Cursor, Entry, Event, Observation, Prediction, PredictionResolved
from wakeful.mind.predictions.ledger import GRACE_NS, MAX_OPEN, Ledger
from wakeful.mind.predictions.matching import bearing, in_words
from wakeful.mind.predictions.offer import HOLDS, NOTHING, claim_from, offer
from wakeful.mind.predictions.plain import claim_of
from wakeful.mind.schema import ClaimReply, reply_schema

S = 10**9
CPU = Claim(form="reaches", source="metrics", metric="cpu_percent", value=90)
FULL = Claim(form="ends", source="metrics", metric="cpu_percent", value=90)
STAYS = Claim(form="stays", source="metrics", metric="cpu_percent", comparison="<", value=90)
COMES = Claim(form="comes", source="log:a", text="backup failed")
AWAY = Claim(form="stays_away", gravity="warning")


def cpu(at_s: int, percent: float) -> Observation:
    return Observation(at_ns=at_s * S, source="metrics", form="metrics", values={"cpu_percent": percent})


def line(at_s: int, text: str, source: str = "log:a") -> Observation:
    return Observation(at_ns=at_s * S, source=source, form="lines", text=text)


def predicted(claim: Claim | None, due_s: int = 100, probability: float = 0.7) -> Prediction:
    return Prediction(
        at_ns=0, cycle="c", claim="so it will be", probability=probability, due_ns=due_s * S, condition=claim
    )


def entries(*events: Event) -> list[Entry]:
    return [Entry(seq, Cursor(str(seq)), event) for seq, event in enumerate(events, 1)]


def outcome(claim: Claim, *seen: Observation) -> PredictionResolved:
    """What becomes of a prediction of 100 seconds after what is seen, at its deadline at the latest."""
    ledger = Ledger()
    decided: list[Event] = []
    for entry in entries(predicted(claim), *seen):
        decided += ledger.learn(entry)
    decided += ledger.due(100 * S + GRACE_NS)
    [resolved] = decided
    assert isinstance(resolved, PredictionResolved)
    return resolved


@pytest.mark.parametrize(
    ("claim", "seen", "expected", "evidence"),
    [
        (CPU, [cpu(10, 50), cpu(20, 91), cpu(90, 5)], "true", (3,)),
        (CPU, [cpu(10, 50), cpu(90, 60)], "false", (3,)),
        (CPU, [cpu(10, 50), cpu(101, 99)], "unverified", (2,)),
        (CPU, [], "unverified", ()),
        (FULL, [cpu(10, 99), cpu(90, 60)], "false", (3,)),
        (FULL, [cpu(10, 50), cpu(90, 95)], "true", (3,)),
        (STAYS, [cpu(10, 50), cpu(20, 95), cpu(90, 5)], "false", (3,)),
        (STAYS, [cpu(10, 50), cpu(60, 60)], "true", (3,)),
        (STAYS, [cpu(10, 50), cpu(40, 60)], "unverified", (3,)),
        (COMES, [line(10, "all is well"), line(60, "BACKUP of /home failed")], "true", (3,)),
        (COMES, [line(10, "backup done"), line(60, "fetch failed")], "false", ()),
        (COMES, [line(60, "backup failed", "log:b")], "false", ()),
        (COMES, [line(101, "backup failed")], "unverified", ()),
        (AWAY, [line(60, "all is well")], "true", ()),
        (AWAY, [line(60, "warning: disk is slow")], "false", (2,)),
        (AWAY, [line(60, "panic, data is corrupt", "wakeful:canary"), line(70, "well")], "true", ()),
        (AWAY, [line(10, "all is well")], "unverified", ()),
    ],
)
def test_a_claim_is_decided_by_what_is_seen_in_its_time(
    claim: Claim, seen: list[Observation], expected: str, evidence: tuple[int, ...]
) -> None:
    resolved = outcome(claim, *seen)
    assert (resolved.outcome, resolved.evidence) == (expected, evidence)
    assert (resolved.brier is None) is (expected == "unverified")
    if resolved.brier is not None:
        assert resolved.brier == pytest.approx((0.7 - (expected == "true")) ** 2)


def test_words_may_be_parted_by_lines_of_a_block_but_must_stand_in_one() -> None:
    block = Observation(at_ns=0, source="log:a", form="lines", text="backup done\nfetch failed", count=2)
    assert not bearing(COMES, block)
    assert bearing(COMES, Observation(at_ns=0, source="log:a", form="lines", text="fetch ok\nbackup failed", count=2))


def test_a_priority_of_syslog_tells_gravity_where_the_words_do_not() -> None:
    claim = Claim(form="comes", gravity="error")
    assert bearing(claim, Observation(at_ns=0, source="journald", form="lines", text="hm", attrs={"priority": "3"}))
    assert not bearing(claim, Observation(at_ns=0, source="journald", form="lines", text="hm", attrs={"priority": "6"}))


def test_what_is_in_words_only_stays_open_to_nobody() -> None:
    ledger = Ledger()
    for entry in entries(predicted(None)):
        assert ledger.learn(entry) == []
    assert ledger.next_due_ns is None


def test_more_predictions_than_can_be_kept_give_up_the_oldest() -> None:
    ledger = Ledger()
    decided: list[Event] = []
    for entry in entries(*[predicted(CPU)] * (MAX_OPEN + 3)):
        decided += ledger.learn(entry)
    assert [each.prediction for each in decided if isinstance(each, PredictionResolved)] == [1, 2, 3]
    assert len(ledger.open) == MAX_OPEN


def test_the_base_rate_is_that_of_earlier_claims_of_the_form() -> None:
    ledger, seq, bases = Ledger(), 0, list[float]()
    for percent in (95, 95, 10):
        for event in (predicted(CPU), cpu(60, percent)):
            seq += 1
            decided = ledger.learn(Entry(seq, Cursor(str(seq)), event))
        decided = decided or ledger.due(100 * S + GRACE_NS)
        for resolved in decided:
            assert isinstance(resolved, PredictionResolved)
            bases.append(resolved.base)
            seq += 1
            ledger.learn(Entry(seq, Cursor(str(seq)), resolved))
    assert bases == pytest.approx([1 / 2, 2 / 3, 3 / 4])


CLAIMS = st.sampled_from([CPU, FULL, STAYS, COMES, AWAY])
SEEN = st.one_of(
    st.builds(cpu, st.integers(0, 200), st.sampled_from([10.0, 95.0])),
    st.builds(line, st.integers(0, 200), st.sampled_from(["backup failed", "all is well"])),
)
HAPPENED = st.lists(st.one_of(SEEN, st.builds(predicted, CLAIMS, st.integers(1, 150))), max_size=30)


@settings(deadline=None)
@given(HAPPENED, st.data())
def test_a_ledger_that_starts_again_anywhere_decides_the_same_and_each_once(
    happened: list[Event], data: st.DataObject
) -> None:
    whole = Ledger()
    journal = entries(*happened)
    expected: dict[int, PredictionResolved] = {}
    for entry in journal:
        _keep(whole.learn(entry), expected)
    _keep(whole.due(500 * S), expected)

    cut = data.draw(st.integers(0, len(journal)))
    first, found = Ledger(), dict[int, PredictionResolved]()
    for entry in journal[:cut]:
        _keep(first.learn(entry), found)
    again = Ledger()  # the program died here; what was resolved is in the journal, behind all that is known
    written = [Entry(1000 + at, Cursor(""), event) for at, event in enumerate(found.values())]
    for entry in [*(each for each in journal[:cut] if isinstance(each.event, Prediction)), *written]:
        assert again.learn(entry) == []
    again._known = cut
    for entry in journal[(again.oldest or cut + 1) - 1 :]:
        _keep(again.learn(entry), found)
    _keep(again.due(500 * S), found)
    assert {seq: each.outcome for seq, each in found.items()} == {seq: each.outcome for seq, each in expected.items()}
    assert {seq: each.evidence for seq, each in found.items()} == {seq: each.evidence for seq, each in expected.items()}


def _keep(decided: list[Event], into: dict[int, PredictionResolved]) -> None:
    for each in decided:
        assert isinstance(each, PredictionResolved)
        assert each.prediction not in into, "resolved twice"
        into[each.prediction] = each


SHOWN = [
    Observation(
        at_ns=1,
        source="metrics",
        form="metrics",
        values={"disk_percent:/data": 97.0, "net_errors_per_s:eth0": 3.0, "cpu_percent": 12.0},
    )
]


@pytest.mark.parametrize(
    ("words", "claim"),
    [
        ("no warning follows", Claim(form="stays_away", gravity="warning")),
        ("more errors of postfix", Claim(form="comes", text="postfix", gravity="error")),
        ("more attempts from 10.0.0.9", Claim(form="comes", text="10.0.0.9")),
        ("backup.sh fails again", Claim(form="comes", text="backup.sh", gravity="error")),
        ("app misses /etc/app.conf again", Claim(form="comes", text="app", gravity="error")),
        ("reads of /dev/sdb fail", Claim(form="comes", text="/dev/sdb", gravity="error")),
        ("nginx comes again", Claim(form="comes", text="nginx")),
        ("nginx is killed again", Claim(form="comes", text="nginx", gravity="error")),
        (
            "/data fills further",
            Claim(form="ends", source="metrics", metric="disk_percent:/data", value=97.0),
        ),
        ("errors on eth0 go on", Claim(form="reaches", source="metrics", metric="net_errors_per_s:eth0")),
        ("/home fills further", None),
        ("it goes on", None),
        ("sda stays slow", None),
        ("it stays quiet", None),
        ("", None),
    ],
)
def test_plain_words_are_a_claim_only_where_they_leave_no_doubt(words: str, claim: Claim | None) -> None:
    assert claim_of(words, SHOWN) == claim


def test_a_model_can_only_choose_what_the_journal_has() -> None:
    offered = offer(SHOWN, [line(1, "x"), line(1, "x", "wakeful:canary"), SHOWN[0]])
    assert offered.names == [
        NOTHING,
        "any source",
        "disk_percent:/data of metrics",
        "net_errors_per_s:eth0 of metrics",
        "cpu_percent of metrics",
        "log:a",
    ]
    schema = reply_schema(["#1"], claimable=offered.names, holds=HOLDS)
    assert schema["properties"]["claim"]["properties"]["about"]["enum"] == offered.names
    assert "claim" not in reply_schema(["#1"], shown="")["properties"]


@pytest.mark.parametrize(
    ("reply", "claim", "due_s"),
    [
        (
            ClaimReply(about="cpu_percent of metrics", holds="rises above", value=90, within_minutes=30),
            Claim(form="reaches", source="metrics", metric="cpu_percent", value=90),
            1800,
        ),
        (
            ClaimReply(about="any source", holds="does not say", text="oom", within_minutes=1e9),
            Claim(form="stays_away", text="oom"),
            86_400,
        ),
        (ClaimReply(about="log:a", holds="says", text="done"), Claim(form="comes", source="log:a", text="done"), 3600),
        (ClaimReply(about="log:a", holds="rises above", value=1), None, 0),
        (ClaimReply(about="log:a", holds="says", text=" "), None, 0),
        (ClaimReply(about="log:zzz", holds="says", text="invented"), None, 0),
        (ClaimReply(about="nothing", holds="says", text="well"), None, 0),
    ],
)
def test_what_a_model_chose_becomes_a_claim_or_none(reply: ClaimReply, claim: Claim | None, due_s: float) -> None:
    chosen = claim_from(reply, offer(SHOWN, [line(1, "x")]))
    assert chosen == ((claim, due_s) if claim is not None else None)
    if claim is not None:
        assert in_words(claim)
