"""The prompt from thought to thought, laid out so that the server's prefix cache is used.

    system    the rules                                   never changes
    user      the self-model                              ┐
              a summary of what left long ago             │ change at compaction only
              Earlier: gists of what left since           ┘
              the oldest moment that is still whole       ┐
    assistant its thought                                 │ appended to, never edited
    …                                                     ┘
    user      this moment, the clock at its very end      new

A prompt that no longer fits is compacted in one large step: the oldest turns leave until an eighth of the room is
taken. Re-reading what stays is then paid once in many thoughts. With a share k kept, k / (1 - k) of all that was said
is read again. Answers were never read, only written, and are about a third of it: so for each token of a moment
1 + 1.5 k / (1 - k) are read, 1.21 for an eighth. A window that slides by one message re-reads the whole context at
every thought.

A summary of what will leave is written while it still stands in the prompt, so that the model reads nothing anew for
it (`summary_due`, `to_summarise`); it waits (`prepare`) until a compaction makes use of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from wakeful.context.opening import NOTHING, Opening, that_fit
from wakeful.context.prefix import Broken, Role, first_difference, named
from wakeful.context.tokens import MESSAGE_TOKENS, TokenEstimate

KEEP_SHARE = 0.125
"""Share of the room for turns that compaction leaves filled, unless `Conversation.keep_share` says otherwise."""

GIST_SHARE = 0.04
"""Share of the room that `Earlier` may take: it is read again at each compaction."""

MAX_GISTS = 12
"""Gists kept in `Earlier` at most, newest last; older ones are found by recall."""

KNOWN_SHARE, SUMMARY_SHARE = 0.08, 0.05
"""Shares of the room that the self-model and the summary of what left long ago may take at most."""

MAX_SUMMARY_TOKENS = 400
"""Tokens of that summary at most, however large the room is."""

SUMMARY_TURNS, SUMMARY_FREE, SUMMARY_MOST_FREE = 3, 0.05, 0.25
"""The next summary is written when there is room left for so many turns, or for a share of the room, whichever is more,
but never while more than the last share is free: late, so that it tells of most that leaves."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One moment and the thought that it led to.

    user, reply: exactly the texts that were sent and received, byte for byte
    gist: the thought in one line, which stands for the turn once it has left the prompt
    seq: sequence number of the thought in the journal
    """

    user: str
    reply: str
    gist: str
    seq: int


@dataclass(frozen=True, slots=True)
class Layout:
    """A prompt that fits.

    messages: (role, text) in order; tokens: estimated size of the whole, on the safe side
    left: the turns that had to leave to make room, oldest first
    broken: where it does not go on from the last prompt and its answer, though nothing had to leave: a fault of ours
    """

    messages: tuple[tuple[Role, str], ...]
    tokens: int
    left: tuple[Turn, ...] = ()
    broken: Broken | None = None


@dataclass(frozen=True, slots=True)
class Room:
    """What the context is taken up by, in tokens.

    rules; opening: self-model, summary, gists; turns: what is still whole; free; answer: what that may take
    """

    rules: int
    opening: int
    turns: int
    free: int
    answer: int


class Conversation:
    """The turns that the model still sees, within the room that its context leaves.

    rules: the system message
    context_tokens: the loaded model's context length
    answer_tokens: room kept for the answer
    """

    def __init__(
        self,
        rules: str,
        *,
        context_tokens: int,
        answer_tokens: int,
        estimate: TokenEstimate | None = None,
    ) -> None:
        self.rules = rules
        self.keep_share = KEEP_SHARE
        self.estimate = estimate or TokenEstimate()
        self._context_tokens = context_tokens
        self._answer_tokens = answer_tokens
        self._turns: list[Turn] = []
        self._opening = Opening()
        self._next = Opening()  # what the next compaction brings in: self-model, and summary where there is one
        self._summed_through = 0  # the newest turn that the waiting summary tells of
        self._through = 0  # the newest turn that left
        self._left: list[Turn] = []  # since `saved`
        self._is_saved = True
        self._sent: tuple[tuple[Role, str], ...] = ()  # the last prompt and its answer, until it is compacted
        self._room: Room | None = None  # until the turns change
        self._known_tokens: int | None = None  # the server's own count of all up to the last reply

    @property
    def turns(self) -> Sequence[Turn]:
        """The turns still in the prompt, oldest first."""
        return tuple(self._turns)

    @property
    def opening(self) -> Opening:
        """What stands before the oldest turn."""
        return self._opening

    @property
    def summed_through(self) -> int:
        """Number of the newest turn that the newest summary tells of, whether it stands in the prompt or waits."""
        return self._summed_through

    @property
    def through(self) -> int:
        """Number of the newest turn that has left, 0 for none."""
        return self._through

    @property
    def left(self) -> Sequence[Turn]:
        """What has left since `saved` that no summary tells of, oldest first."""
        return tuple(self._left)

    @property
    def is_saved(self) -> bool:
        """Whether the opening is the one that `saved` or `restore` knew of."""
        return self._is_saved

    @property
    def summary_due(self) -> bool:
        """Whether the next compaction is near and no summary waits for it."""
        if self._next.summary or len(self._turns) < 2:
            return False
        room = self.room
        few = max(SUMMARY_TURNS * room.turns / len(self._turns), SUMMARY_FREE * self.room_tokens)
        return room.free < min(few, SUMMARY_MOST_FREE * self.room_tokens)

    @property
    def summary_tokens(self) -> int:
        """What a summary may have at most."""
        return min(int(self.room_tokens * SUMMARY_SHARE), MAX_SUMMARY_TOKENS)

    @property
    def room_tokens(self) -> int:
        """What a prompt may have at most."""
        return max(self._context_tokens - self._answer_tokens, 0)

    @property
    def room(self) -> Room:
        """What the context is taken up by before the next moment comes."""
        if self._room is None:
            rules = self.estimate.message_tokens(self.rules)
            taken = self._known_tokens or self.estimate.prompt_tokens(self.of(self._turns, self._opening))
            opening = self._tokens_of(self._opening.text)
            turns = max(taken - rules - (opening if self._turns else 0), 0)
            free = max(self.room_tokens - rules - opening - turns, 0)
            self._room = Room(rules, opening, turns, free, self._answer_tokens)
        return self._room

    @property
    def moment_tokens(self) -> int:
        """What one moment may have at most, so that some history still fits beside it."""
        fixed = self.estimate.message_tokens(self.rules)
        return max((self.room_tokens - fixed) // 2, 0)

    def prepare(self, *, known: Sequence[str] | None = None, summary: str = "", through: int = 0) -> None:
        """What comes into the prompt at the next compaction, and not before: what it begins with stays as it is.

        known: the lines of the self-model; summary: tells of all up to the turn with the number `through`
        """
        if known is not None:
            self._next = replace(self._next, known=tuple(known))
        if summary:
            self._next = replace(self._next, summary=summary)
            self._summed_through = through

    def renew(self) -> bool:
        """Takes the self-model in at once, where the server has nothing to lose; whether it is another one."""
        known = self._next_known()
        if known == self._opening.known:
            return False
        self._begin_with(replace(self._opening, known=known))
        self._known_tokens = None
        self._sent = ()
        if self._tokens_with("") > self.room_tokens:
            self._compact("")
        return True

    def saved(self) -> None:
        """Takes in that what the prompt begins with is in the journal."""
        self._left.clear()
        self._is_saved = True

    def to_summarise(self, instruction: str) -> Layout | None:
        """A prompt that goes on from what the model has read already, and asks for a summary of it; None: no room."""
        tokens = self._tokens_with(instruction)
        if tokens > self.room_tokens:
            return None
        return Layout((*self.of(self._turns, self._opening), ("user", instruction)), tokens)

    def move_to(self, *, context_tokens: int, answer_tokens: int) -> None:
        """Goes on before another model: its context is another one, and its tokens are counted anew."""
        self._context_tokens, self._answer_tokens = context_tokens, answer_tokens
        self.estimate = TokenEstimate()
        self._known_tokens = self._room = None
        self._sent = ()  # another model has nothing of it in its cache

    def whole(self, moment: str) -> list[tuple[Role, str]]:
        """The prompt for `moment` with all that was said, whether it fits or not."""
        return self._messages(moment)

    def lay_out(self, moment: str, tokens: int | None = None) -> Layout:
        """The prompt for `moment`, after compaction where it would not fit otherwise.

        tokens: the model's own count of `whole(moment)`, None where it can't be asked
        """
        if tokens is None:
            tokens = self._tokens_with(moment)
        left: tuple[Turn, ...] = ()
        if tokens > self.room_tokens:
            left = self._compact(moment)
            tokens = self._tokens_with(moment)
        return self._layout(moment, tokens, left)

    def add(self, turn: Turn, *, prompt_tokens: int = 0, completion_tokens: int = 0) -> None:
        """Appends what was thought; the token counts are the server's own, 0 where it gave none."""
        asked = self._messages(turn.user)
        if prompt_tokens:
            self.estimate.learn(asked, prompt_tokens)
            # The template adds something behind the answer that neither count holds.
            self._known_tokens = prompt_tokens + completion_tokens + MESSAGE_TOKENS
        else:
            self._known_tokens = None
        self._turns.append(turn)
        self._room = None
        self._sent = (*asked, ("assistant", turn.reply))

    def of(self, turns: Sequence[Turn], opening: Opening = NOTHING) -> list[tuple[Role, str]]:
        """The prompt that such turns make, up to the last reply."""
        return _laid_out(self.rules, turns, opening)

    def restore(
        self,
        turns: Sequence[Turn],
        opening: Opening = NOTHING,
        *,
        through: int = 0,
        summed_through: int = 0,
        tokens: int | None = None,
    ) -> None:
        """Goes on with the turns of an earlier run, and what stood before them; what no longer fits leaves.

        through: number of the newest turn that had left; summed_through: of the newest one that a summary tells of
        tokens: the model's own count of `of(turns, opening)`, None where it can't be asked
        """
        self._turns = list(turns)
        self._opening = opening
        self._through = through
        self._summed_through = max(self._summed_through, summed_through)  # one may wait already
        self._known_tokens = self._room = None
        if tokens is not None:
            self.estimate.learn(self.of(turns, opening), tokens)
            self._known_tokens = tokens
        self._sent = tuple(self.of(self._turns, self._opening))
        if self._tokens_with("") > self.room_tokens:
            self._compact("")

    def counted(self, layout: Layout, tokens: int) -> bool:
        """Takes in the model's own count of a prompt; whether it fits. If it does not, the next layout is shorter."""
        self.estimate.learn(layout.messages, tokens)
        if tokens <= self.room_tokens:
            return True
        self._known_tokens = None
        return False

    def overflowed(self, moment: str) -> Layout:
        """The prompt for `moment` after the server refused it as too long: estimates rise, turns leave."""
        self.estimate.too_low(self._messages(moment))
        left = self._compact(moment)
        return self._layout(moment, self._tokens_with(moment), left)

    def _layout(self, moment: str, tokens: int, left: tuple[Turn, ...]) -> Layout:
        asked = tuple(self._messages(moment))
        broken = first_difference(self._sent, asked)
        if broken is not None:
            broken = named(broken, self.rules, self._opening)
        return Layout(asked, tokens, left, broken)

    def _messages(self, moment: str) -> list[tuple[Role, str]]:
        before = _laid_out(self.rules, self._turns, self._opening)
        return [*before, ("user", moment if self._turns else self._opening.before(moment))]

    def _tokens_with(self, moment: str) -> int:
        if self._known_tokens is not None and self._turns:
            return self._known_tokens + self.estimate.message_tokens(moment)
        return self.estimate.prompt_tokens(self._messages(moment))

    def _compact(self, moment: str) -> tuple[Turn, ...]:
        """Lets the oldest turns leave until the rest takes `keep_share` of the room that the moment leaves."""
        self._known_tokens = self._room = None
        self._sent = ()
        self._renew()
        left: list[Turn] = []
        fixed = self.estimate.message_tokens(self.rules) + self.estimate.message_tokens(moment)
        # What stands for the turns that left is read again as well.
        goal = (self.room_tokens - fixed) * self.keep_share - self._tokens_of(self._opening.summary)
        while self._turns and self._turn_tokens() > goal:
            turn = self._turns.pop(0)
            left.append(turn)
            self._through, self._is_saved = turn.seq, False
            if turn.seq > self._summed_through:
                self._begin_with(replace(self._opening, gists=(*self._opening.gists, turn.gist)[-MAX_GISTS:]))
                self._left.append(turn)
        while self._opening.gists and (
            self._gist_tokens() > self.room_tokens * GIST_SHARE or self._tokens_with(moment) > self.room_tokens
        ):
            self._begin_with(replace(self._opening, gists=self._opening.gists[1:]))
        for less in (replace(self._opening, summary=""), NOTHING):  # a moment may leave room for nothing else
            if self._tokens_with(moment) > self.room_tokens:
                self._begin_with(less)
        return tuple(left)

    def _renew(self) -> None:
        """Brings in the self-model, and the summary that waits: it tells of all that the opening told of so far."""
        known = self._next_known()
        if self._next.summary:
            self._begin_with(Opening(known, self._next.summary))
            self._next = replace(self._next, summary="")
        else:
            self._begin_with(replace(self._opening, known=known))

    def _next_known(self) -> tuple[str, ...]:
        return that_fit(self._next.known, int(self.room_tokens * KNOWN_SHARE), self.estimate.tokens)

    def _begin_with(self, opening: Opening) -> None:
        if opening != self._opening:
            self._opening, self._room, self._is_saved = opening, None, False

    def _tokens_of(self, text: str) -> int:
        return self.estimate.tokens(text) if text else 0

    def _gist_tokens(self) -> int:
        return sum(self.estimate.tokens(gist) for gist in self._opening.gists)

    def _turn_tokens(self) -> int:
        said: list[tuple[Role, str]] = []
        for turn in self._turns:
            said.append(("user", turn.user))
            said.append(("assistant", turn.reply))
        return self.estimate.prompt_tokens(said)


def _laid_out(rules: str, turns: Sequence[Turn], opening: Opening) -> list[tuple[Role, str]]:
    messages: list[tuple[Role, str]] = [("system", rules)]
    for position, turn in enumerate(turns):
        messages.append(("user", turn.user if position else opening.before(turn.user)))
        messages.append(("assistant", turn.reply))
    return messages
