"""Several observations of one moment, each thought of alone: which leads, and what is told of the others."""

from hypothesis import given
from hypothesis import strategies as st

from wakeful.attention import Attention, AttentionSettings
from wakeful.context import Seen
from wakeful.events import SEVERITIES, Observation, Severity
from wakeful.mind.one_by_one import MOST_TOLD, alone, gravest, together
from wakeful.mind.schema import AttentionShares, Reply


def reply(seq: int, severity: Severity, focus: str) -> Reply:
    return Reply(
        focus=focus,
        evidence=[f"#{seq}"],
        observed="",
        assessment=f"{focus}!",
        severity=severity,
        expected="",
        prediction_error=0.2,
        attention=AttentionShares(0.1, 0.8, 0.1),
        action_needed=severity != "info",
        action_type="observe",
        action_details=f"look at {focus}",
        next_prediction="",
        confidence=0.8,
        self_assessment="",
    )


def burst(*lines: str, count: int = 0) -> Observation:
    return Observation(at_ns=10**18, source="log:/a", form="lines", text="\n".join(lines), count=count or len(lines))


def test_of_a_burst_the_line_that_the_gate_names_is_shown_alone() -> None:
    long = "disk failure on sda " + "word " * 60
    observation = burst("worker 1: done", "worker 2: done", long, count=500)
    salience = Attention(AttentionSettings()).update(7, observation)
    shown = alone(Seen(7, observation, salience))
    assert salience.reasons[0].startswith("most surprising of 500 lines: disk failure")
    assert (shown.observation.text, shown.observation.count, shown.seq) == (long, 1, 7)
    assert shown.salience is not None
    assert shown.salience.reasons == salience.reasons[1:]


def test_where_the_gate_names_none_the_gravest_is_shown() -> None:
    shown = alone(Seen(7, burst("worker 1: done", "kernel: Out of memory: Killed process 7", "worker 2: done")))
    assert shown.observation.text == "kernel: Out of memory: Killed process 7"


def test_what_is_no_burst_stays_as_it_is() -> None:
    for seen in (Seen(1, burst("one line")), Seen(2, burst("text", "of two lines", count=1))):
        assert alone(seen) == seen


def test_the_gravest_leads_and_of_equals_the_first() -> None:
    replies = [reply(1, "info", "a"), reply(2, "critical", "b"), reply(3, "critical", "c"), reply(4, "warning", "d")]
    assert gravest(replies) == 1
    assert together(replies).action_details == "look at b"


def test_other_trouble_is_told_after_it_and_cited_and_what_is_routine_is_not() -> None:
    told = together([reply(1, "info", "a"), reply(2, "warning", "b"), reply(3, "critical", "c")])
    assert (told.focus, told.assessment, told.evidence) == ("c", "c! b!", ["#3", "#2"])


def test_one_cause_seen_often_is_told_once_with_all_of_its_evidence() -> None:
    told = together([reply(1, "warning", "a"), reply(2, "info", "b"), reply(3, "warning", "a")])
    assert (told.assessment, told.evidence) == ("a!", ["#1", "#3"])


def test_where_all_is_routine_the_strongest_is_told_alone() -> None:
    told = together([reply(1, "info", "a"), reply(2, "info", "b")])
    assert (told.focus, told.assessment, told.evidence) == ("a", "a!", ["#1"])


@given(st.lists(st.tuples(st.sampled_from(SEVERITIES), st.sampled_from("abcdef")), min_size=1, max_size=8))
def test_nothing_graver_than_what_is_told_is_left_out(drawn: list[tuple[Severity, str]]) -> None:
    replies = [reply(number, *each) for number, each in enumerate(drawn)]
    told = together(replies)
    assert SEVERITIES.index(told.severity) == max(SEVERITIES.index(each.severity) for each in replies)
    assert 1 <= told.assessment.count("!") <= MOST_TOLD
    assert set(told.evidence) <= {cited for each in replies for cited in each.evidence}
    assert len(told.evidence) == len(set(told.evidence))
