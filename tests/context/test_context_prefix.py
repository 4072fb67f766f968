"""Where a prompt stops being what it was, said exactly."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from wakeful.context import Conversation, Opening, Role, Turn, first_difference
from wakeful.context.prefix import named

ROLES: list[Role] = ["system", "user", "assistant"]
MESSAGES = st.lists(st.tuples(st.sampled_from(ROLES), st.text(max_size=20)), max_size=6)


def test_the_first_byte_that_differs_is_named_and_the_part() -> None:
    broken = first_difference(
        [("system", "It is 12:00, grüß Gott"), ("user", "one")], [("system", "It is 12:01, grüß Gott"), ("user", "one")]
    )
    assert broken is not None
    assert (broken.part, broken.byte) == ("message 0 (system)", 10)
    assert "12:00" in str(broken)
    assert "12:01" in str(broken)


def test_bytes_are_counted_not_characters() -> None:
    broken = first_difference([("system", "grüß"), ("user", "ä1")], [("system", "grüß"), ("user", "ä2")])
    assert broken is not None
    assert broken.byte == len("grüßä".encode())


def test_what_is_missing_at_the_end_is_a_difference() -> None:
    broken = first_difference([("system", "a"), ("user", "b")], [("system", "a")])
    assert broken is not None
    assert broken.part == "message 1 (user, now missing)"


@given(MESSAGES, MESSAGES)
def test_it_is_whole_exactly_when_one_begins_with_the_other(
    before: list[tuple[Role, str]], now: list[tuple[Role, str]]
) -> None:
    assert (first_difference(before, now) is None) is (now[: len(before)] == before)


def test_a_conversation_notices_when_its_own_prompt_changed() -> None:
    conversation = Conversation("rules", context_tokens=4000, answer_tokens=500)
    assert conversation.lay_out("one").broken is None
    conversation.add(Turn(user="one", reply="reply", gist="gist", seq=1))
    assert conversation.lay_out("two").broken is None
    conversation.rules = "other rules"
    broken = conversation.lay_out("two").broken
    assert broken is not None
    assert broken.part == "the rules, message 0 (system)"


def test_what_changed_before_the_turns_is_told_by_its_name() -> None:
    turns = [Turn(user="one", reply="reply", gist="gist", seq=1)]
    was = Opening(known=("backups run at 02:00",), summary="It was quiet.", gists=("12:00 info all is well",))
    now = replace(was, summary="It was loud.")
    for opening, name in (
        (now, "summary"),
        (replace(was, known=("backups run at 03:00",)), "self-model"),
        (replace(was, gists=("12:01 info all is well",)), "earlier"),
    ):
        before, after = (Conversation("rules", context_tokens=9, answer_tokens=1).of(turns, o) for o in (was, opening))
        broken = first_difference(before, after)
        assert broken is not None
        assert named(broken, "rules", opening).part == f"the {name}, message 1 (user)"
    turn = [Turn(user="two", reply="reply", gist="gist", seq=1)]
    broken = first_difference(
        *(Conversation("rules", context_tokens=9, answer_tokens=1).of(t, was) for t in (turns, turn))
    )
    assert broken is not None
    assert named(broken, "rules", was).part == "message 1 (user)"
