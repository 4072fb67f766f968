"""What the model would be shown now, part by part, without thinking about it."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from wakeful.context import Conversation, Role, moment
from wakeful.journal import Journal
from wakeful.memory import Recall
from wakeful.mind import recover
from wakeful.mind.metacognition.reflecting import learn_changes
from wakeful.mind.metacognition.tuning import STANCE, Tuning
from wakeful.mind.predictions.offer import offer
from wakeful.mind.predictions.told import notes
from wakeful.mind.prompt import Stance, rules, stance_of
from wakeful.mind.thinker import Thinker
from wakeful.mind.workspace import MAX_SHOWN, Workspace


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the prompt.

    name: rules, self-model, summary, earlier, turn or moment; seq: the thought of a turn, 0 for the other parts
    texts: (role, text) in order; of what stands before the oldest turn, its share of that turn's message
    tokens: what it adds to the prompt
    kept: whether the next thought begins with it too, so that the server need not read it again
    """

    name: str
    texts: tuple[tuple[Role, str], ...]
    tokens: int
    kept: bool
    seq: int = 0


@dataclass(frozen=True, slots=True)
class Preview:
    """A prompt in its parts. exact: whether the model's own tokenizer counted; else tokens are on the safe side."""

    parts: tuple[Part, ...]
    room_tokens: int
    answer_tokens: int
    context_tokens: int
    exact: bool

    @property
    def tokens(self) -> int:
        """Tokens of the whole prompt."""
        return sum(part.tokens for part in self.parts)


async def preview(
    journal: Journal,
    thinker: Thinker,
    recall: Recall,
    *,
    stance: Stance = "base",
    stances: Sequence[Stance] = (),
    prompt: str = "",
    tools: str = "",
    awake: bool = False,
    now_ns: Callable[[], int] = time.time_ns,
) -> Preview:
    """The prompt of the thought that would come next, from what the journal says is waiting.

    stance, stances, prompt: as of `MindSettings`; tools: a line for each tool
    awake: whether a mind thinks on this journal; one that starts takes a newer self-model in at once
    Raises PromptUnreadable, and a JournalError.
    """
    tuning = Tuning({STANCE: stance}, {}, {STANCE: stances})
    await learn_changes(tuning, journal)
    stance = stance_of(tuning.chosen(STANCE), stance)
    conversation = recover.new_conversation(
        thinker, rules(pilot=thinker.facts.pilot, stance=stance, file=prompt, tools=tools)
    )
    await recover.into(conversation, journal, thinker)
    if not awake:
        conversation.renew()
    waiting = await recover.waiting(journal)
    workspace = Workspace()
    for seen, cursor in waiting.seen:
        workspace.add(seen, cursor)
    batch = workspace.drain(MAX_SHOWN)
    newest = await journal.read(kinds=("prediction",), limit=1, newest_first=True)
    observed = [seen.observation for seen in batch.shown]
    text = moment(
        batch.shown,
        now_ns=now_ns(),
        reason="salience" if batch.shown else "idle",
        expected=newest[0].event.body if newest else "",
        recalled=await recall.recall(observed, without={turn.seq for turn in conversation.turns}),
        others=batch.others,
        notes=() if thinker.facts.pilot else [*await notes(journal), offer(observed, ()).note],
    )
    counted = await thinker.count(conversation.whole(text))
    layout, exact = conversation.lay_out(text, counted), counted is not None
    parts = await _parts(layout.messages, conversation, thinker if exact else None)
    return Preview(
        parts=parts,
        room_tokens=conversation.room_tokens,
        answer_tokens=thinker.answer_tokens,
        context_tokens=thinker.facts.context_tokens,
        exact=exact,
    )


async def _parts(
    messages: Sequence[tuple[Role, str]], conversation: Conversation, counter: Thinker | None
) -> tuple[Part, ...]:
    """Rules, what stands before the turns, a part for each turn, then the moment; each as what it adds to the others.

    A server counts whole prompts only: each is counted together with all before it.
    """
    made: list[Part] = []
    before = 0
    for name, seq, texts, prompt in _pieces(messages, conversation):
        counted = await counter.count(prompt) if counter is not None else None
        tokens = counted - before if counted is not None else _estimated(texts, conversation)
        before += tokens
        made.append(Part(name, tuple(texts), tokens, kept=name != "moment", seq=seq))
    return tuple(made)


Piece = tuple[str, int, list[tuple[Role, str]], list[tuple[Role, str]]]
"""Name, number of the thought, the texts themselves, and the prompt up to their end."""


def _pieces(messages: Sequence[tuple[Role, str]], conversation: Conversation) -> list[Piece]:
    rules, first, *rest = messages
    pieces: list[Piece] = [("rules", 0, [rules], [rules])]
    text = ""
    for name, part in conversation.opening.parts:
        text = f"{text}\n{part}" if text else part
        pieces.append((name, 0, [("user", part)], [rules, ("user", text)]))
    own: tuple[Role, str] = ("user", first[1][len(text) + 1 :] if text else first[1])
    said = [own, *rest]
    ends = [*range(2, len(said), 2), len(said)]
    seqs = [*(turn.seq for turn in conversation.turns), 0]
    begin = 0
    for end, seq in zip(ends, seqs, strict=True):
        name = "moment" if end == len(said) else "turn"
        pieces.append((name, seq, said[begin:end], list(messages[: end + 1])))
        begin = end
    return pieces


def _estimated(texts: Sequence[tuple[Role, str]], conversation: Conversation) -> int:
    return sum(conversation.estimate.message_tokens(text) for _, text in texts)
