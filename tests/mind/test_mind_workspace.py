"""What waits is shown by its claim, and not for longer than it is news."""

from wakeful.context import Seen
from wakeful.events import Cursor, Observation, Salience
from wakeful.mind.workspace import FRESH_S, MAX_PER_SUBJECT, MAX_WAITING, Workspace


def seen(seq: int, at_s: float, salience: float, *, source: str = "metrics", threshold: float = 0.5) -> Seen:
    at_ns = int(at_s * 1e9)
    observation = Observation(at_ns=at_ns, source=source, form="lines", text="text")
    judged = Salience(
        at_ns=at_ns,
        about=seq,
        source=source,
        surprise_nats=1.0,
        precision=1.0,
        salience=salience,
        threshold=threshold,
        reasons=(),
    )
    return Seen(seq, observation, judged)


def filled(*waiting: Seen) -> Workspace:
    workspace = Workspace()
    for each in waiting:
        workspace.add(each, Cursor(str(each.seq)))
    return workspace


def test_the_strongest_are_shown_and_the_rest_is_counted() -> None:
    batch = filled(*(seen(at, 1.0, at / 10, source=f"log:{at}") for at in range(5))).drain(2)
    assert [each.seq for each in batch.shown] == [4, 3]
    assert sum(batch.others.values()) == 3
    assert batch.through == Cursor("4")


def test_what_did_not_wake_the_mind_is_no_news_later() -> None:
    late_s = 10 + FRESH_S + 1
    batch = filled(seen(1, 10.0, 0.49), seen(2, late_s, 0.9, source="log:a")).drain(6)
    assert [each.seq for each in batch.shown] == [2]
    assert batch.others == {"metrics": 1}


def test_what_woke_it_is_shown_however_long_it_had_to_wait() -> None:
    late_s = 10 + FRESH_S + 1
    batch = filled(seen(1, 10.0, 0.6), seen(2, late_s, 0.9, source="log:a")).drain(6)
    assert [each.seq for each in batch.shown] == [2, 1]


def test_one_subject_does_not_hide_the_others() -> None:
    batch = filled(*(seen(at, 1.0, 0.9) for at in range(9)), seen(9, 1.0, 0.4, source="log:a")).drain(6)
    assert sum(each.observation.source == "metrics" for each in batch.shown) == MAX_PER_SUBJECT
    assert 9 in [each.seq for each in batch.shown]


def test_a_storm_is_bounded_and_counted() -> None:
    workspace = filled(*(seen(at, 1.0, at / 10_000) for at in range(MAX_WAITING + 50)))
    assert len(workspace) == MAX_WAITING
    batch = workspace.drain(1)
    assert batch.others == {"metrics": MAX_WAITING + 49}
    assert len(workspace) == 0
