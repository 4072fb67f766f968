from hypothesis import example, given, settings
from hypothesis import strategies as st

from wakeful.context import Conversation, Role, TokenEstimate, Turn

TEXT = st.text(max_size=400)


def exact(text: str) -> int:
    """A stand-in tokenizer: a token for every three bytes."""
    return len(text.encode()) // 3 + 1


def size(messages: tuple[tuple[str, str], ...]) -> int:
    return sum(exact(text) + 5 for _, text in messages)


def think(conversation: Conversation, moment: str, reply: str, number: int) -> tuple[tuple[str, str], ...]:
    layout = conversation.lay_out(moment)
    turn = Turn(user=moment, reply=reply, gist=f"gist {number}", seq=number)
    conversation.add(turn, prompt_tokens=size(layout.messages), completion_tokens=exact(reply))
    return layout.messages


@given(st.lists(st.tuples(TEXT, TEXT), max_size=40))
@settings(deadline=None, max_examples=60)
def test_the_budget_is_never_exceeded(turns: list[tuple[str, str]]) -> None:
    conversation = Conversation("rules " * 10, context_tokens=1024, answer_tokens=256)
    for number, (moment, reply) in enumerate(turns):
        layout = conversation.lay_out(moment)
        assert size(layout.messages) <= 1024 - 256
        turn = Turn(user=moment, reply=reply, gist=f"gist {number}", seq=number)
        conversation.add(turn, prompt_tokens=size(layout.messages), completion_tokens=exact(reply))


@given(st.lists(st.tuples(TEXT, TEXT), min_size=2, max_size=40))
@settings(deadline=None, max_examples=60)
def test_roles_alternate_and_the_moment_stands_last(turns: list[tuple[str, str]]) -> None:
    conversation = Conversation("rules", context_tokens=1024, answer_tokens=256)
    for number, (moment, reply) in enumerate(turns):
        messages = think(conversation, moment, reply, number)
        assert [role for role, _ in messages] == ["system", *(["user", "assistant"] * (len(messages) // 2))][
            : len(messages)
        ]
        assert messages[-1][0] == "user"
        assert messages[-1][1].endswith(moment)


def test_the_prompt_only_grows_at_its_end_between_compactions() -> None:
    conversation = Conversation("rules", context_tokens=4000, answer_tokens=500)
    before: tuple[tuple[str, str], ...] = ()
    for number in range(5):
        moment, reply = f"moment {number}", f"reply {number}"
        messages = think(conversation, moment, reply, number)
        assert messages[: len(before)] == before
        before = (*messages, ("assistant", reply))


def test_compaction_is_one_large_step_and_leaves_gists() -> None:
    conversation = Conversation("rules", context_tokens=3000, answer_tokens=500)
    steps: list[int] = []
    reread = new = 0
    before: tuple[tuple[str, str], ...] = ()
    for number in range(200):
        moment, reply = f"moment {number} " + "word " * 40, f"reply {number} " + "word " * 40
        layout = conversation.lay_out(moment)
        messages = layout.messages
        if layout.left:
            steps.append(number)
            assert messages[1][1].startswith("Earlier:\n- gist ")
        same = 0
        while same < min(len(before), len(messages)) and before[same] == messages[same]:
            same += 1
        reread += size(messages[same:])
        new += exact(moment) + exact(reply) + 10
        turn = Turn(user=moment, reply=reply, gist=f"gist {number}", seq=number)
        conversation.add(turn, prompt_tokens=size(messages), completion_tokens=exact(reply))
        before = (*messages, ("assistant", reply))
    assert len(steps) > 5
    assert reread / new < 1.6  # a window that slides by one turn would re-read some ten times as much


def test_a_refused_prompt_is_compacted_and_estimated_higher() -> None:
    conversation = Conversation("rules", context_tokens=4000, answer_tokens=500)
    for number in range(8):
        think(conversation, "moment " * 20, "reply " * 20, number)
    asked = conversation.lay_out("now")
    again = conversation.overflowed("now")
    assert again.left
    assert len(again.messages) < len(asked.messages)
    assert again.messages[-1][1].endswith("now")


def test_a_prompt_that_the_model_counts_as_too_long_is_laid_out_shorter() -> None:
    conversation = Conversation("rules", context_tokens=2000, answer_tokens=500)
    for number in range(6):
        moment, reply = "moment " * 12, "reply " * 12
        conversation.lay_out(moment)
        conversation.add(Turn(user=moment, reply=reply, gist=f"gist {number}", seq=number))
    layout = conversation.lay_out("now")

    def dense(messages: tuple[tuple[str, str], ...]) -> int:
        return sum(2 * len(text) for _, text in messages)  # more tokens than was ever thought possible

    assert dense(layout.messages) > conversation.room_tokens
    assert not conversation.counted(layout, dense(layout.messages))
    again = conversation.lay_out("now")
    assert again.left
    assert conversation.counted(again, dense(again.messages))


def test_turns_of_an_earlier_run_are_taken_up_and_the_oldest_left_out() -> None:
    turns = [Turn(user=f"moment {n} " * 30, reply=f"reply {n} " * 30, gist=f"gist {n}", seq=n) for n in range(20)]
    conversation = Conversation("rules", context_tokens=5000, answer_tokens=500)
    conversation.restore(turns)
    assert 0 < len(conversation.turns) < 20
    assert conversation.turns[-1] == turns[-1]
    assert size(conversation.lay_out("now").messages) <= 4500


def test_the_parts_of_the_context_add_up_to_it_and_change_with_the_turns() -> None:
    conversation = Conversation("rules " * 20, context_tokens=5000, answer_tokens=500)
    empty = conversation.room
    assert empty.rules > 20
    assert empty.rules + empty.opening + empty.turns + empty.free + empty.answer == 5000
    moment = "moment " * 500
    conversation.lay_out(moment)
    conversation.add(Turn(user=moment, reply="reply", gist="gist", seq=1), prompt_tokens=540, completion_tokens=100)
    assert 500 < conversation.room.turns < 700
    assert conversation.room.free == 5000 - 500 - conversation.room.rules - conversation.room.turns


@given(st.lists(st.tuples(st.text(min_size=1, max_size=3000), st.integers(1, 9000)), min_size=1, max_size=20))
@example([("\x80", 90), (":\x80\x80\x80", 1)])
@settings(deadline=None, max_examples=50)
def test_what_was_counted_is_never_estimated_too_low_again(counts: list[tuple[str, int]]) -> None:
    estimate = TokenEstimate()
    seen: dict[str, int] = {}
    for text, tokens in counts:
        estimate.learn([("user", text)], tokens)
        seen[text] = max(tokens, seen.get(text, 0))
        assert estimate.message_tokens(text) >= tokens
    for text, tokens in seen.items():
        assert estimate.message_tokens(text) >= tokens


def test_a_prompt_that_was_refused_is_thought_longer() -> None:
    estimate = TokenEstimate()
    prompt: list[tuple[Role, str]] = [("system", "rules"), ("user", "cpu 97.1%, memory 41.0% " * 40)]
    before = estimate.prompt_tokens(prompt)
    estimate.too_low(prompt)
    assert estimate.prompt_tokens(prompt) >= 1.25 * before - 1
