"""The prompt from thought to thought, laid out so that the server's prefix cache is used.

    system    the rules                                   never changes
    user      Earlier: gists of what left the prompt      changes at compaction only
              the oldest moment that is still whole       ┐
    assistant its thought                                 │ appended to, never edited
    …                                                     ┘
    user      this moment, the clock at its very end      new

A prompt that no longer fits is compacted in one large step: the oldest turns leave until an eighth of the room is
taken. Re-reading what stays is then paid once in many thoughts. With a share k kept, k / (1 - k) of all that was said
is read again. Answers were never read, only written, and are about a third of it: so for each token of a moment
1 + 1.5 k / (1 - k) are read, 1.21 for an eighth. A window that slides by one message re-reads the whole context at
every thought.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from wakeful.context.prefix import Broken, Role, first_difference
from wakeful.context.tokens import MESSAGE_TOKENS, TokenEstimate

KEEP_SHARE = 0.125
"""Share of the room for turns that compaction leaves filled, unless `Conversation.keep_share` says otherwise."""

GIST_SHARE = 0.04
"""Share of the room that `Earlier` may take: it is read again at each compaction."""

MAX_GISTS = 12
"""Gists kept in `Earlier` at most, newest last; older ones are found by recall."""


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
    """What the context is taken up by, in tokens: rules, all that was said, what is free, what the answer may take."""

    rules: int
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
        self._gists: list[str] = []
        self._asked: tuple[tuple[Role, str], ...] = ()  # the last prompt
        self._sent: tuple[tuple[Role, str], ...] = ()  # the last prompt and its answer, until it is compacted
        self._room: Room | None = None  # until the turns change
        self._known_tokens: int | None = None  # the server's own count of all up to the last reply

    @property
    def turns(self) -> Sequence[Turn]:
        """The turns still in the prompt, oldest first."""
        return tuple(self._turns)

    @property
    def gists(self) -> Sequence[str]:
        """What the prompt says of the turns that have left it, a line each, oldest first."""
        return tuple(self._gists)

    @property
    def room_tokens(self) -> int:
        """What a prompt may have at most."""
        return max(self._context_tokens - self._answer_tokens, 0)

    @property
    def room(self) -> Room:
        """What the context is taken up by before the next moment comes."""
        if self._room is None:
            rules = self.estimate.message_tokens(self.rules)
            taken = self._known_tokens or self.estimate.prompt_tokens(self.of(self._turns, self._gists))
            turns = max(taken - rules, 0)
            self._room = Room(rules, turns, max(self.room_tokens - rules - turns, 0), self._answer_tokens)
        return self._room

    @property
    def moment_tokens(self) -> int:
        """What one moment may have at most, so that some history still fits beside it."""
        fixed = self.estimate.message_tokens(self.rules)
        return max((self.room_tokens - fixed) // 2, 0)

    def move_to(self, *, context_tokens: int, answer_tokens: int) -> None:
        """Goes on before another model: its context is another one, and its tokens are counted anew."""
        self._context_tokens, self._answer_tokens = context_tokens, answer_tokens
        self.estimate = TokenEstimate()
        self._known_tokens = self._room = None
        self._sent = ()  # another model has nothing of it in its cache

    def lay_out(self, moment: str) -> Layout:
        """The prompt for `moment`, after compaction where it would not fit otherwise."""
        tokens = self._tokens_with(moment)
        left: tuple[Turn, ...] = ()
        if tokens > self.room_tokens:
            left = self._compact(moment)
            tokens = self._tokens_with(moment)
        return self._layout(moment, tokens, left)

    def add(self, turn: Turn, *, prompt_tokens: int = 0, completion_tokens: int = 0) -> None:
        """Appends what was thought; the token counts are the server's own, 0 where it gave none."""
        if prompt_tokens:
            self.estimate.learn(self._messages(turn.user), prompt_tokens)
            # The template adds something behind the answer that neither count holds.
            self._known_tokens = prompt_tokens + completion_tokens + MESSAGE_TOKENS
        else:
            self._known_tokens = None
        self._turns.append(turn)
        self._room = None
        self._sent = (*self._asked, ("assistant", turn.reply)) if self._asked else ()

    def of(self, turns: Sequence[Turn], gists: Sequence[str] = ()) -> list[tuple[Role, str]]:
        """The prompt that such turns make, up to the last reply."""
        return _laid_out(self.rules, turns, gists[-MAX_GISTS:])

    def restore(self, turns: Sequence[Turn], gists: Sequence[str] = (), *, tokens: int | None = None) -> None:
        """Goes on with the turns of an earlier run, and the gists of what had left before; what no longer fits leaves.

        tokens: the model's own count of `of(turns, gists)`, None where it can't be asked
        """
        self._turns = list(turns)
        self._gists = list(gists)[-MAX_GISTS:]
        self._known_tokens = self._room = None
        if tokens is not None:
            self.estimate.learn(self.of(turns, gists), tokens)
            self._known_tokens = tokens
        self._sent = tuple(self.of(self._turns, self._gists))
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
        self._asked = tuple(self._messages(moment))
        return Layout(self._asked, tokens, left, first_difference(self._sent, self._asked))

    def _messages(self, moment: str) -> list[tuple[Role, str]]:
        before = _laid_out(self.rules, self._turns, self._gists)
        return [*before, ("user", moment if self._turns else _with_gists(moment, self._gists))]

    def _tokens_with(self, moment: str) -> int:
        if self._known_tokens is not None and self._turns:
            return self._known_tokens + self.estimate.message_tokens(moment)
        return self.estimate.prompt_tokens(self._messages(moment))

    def _compact(self, moment: str) -> tuple[Turn, ...]:
        """Lets the oldest turns leave until the rest takes `keep_share` of the room that the moment leaves."""
        self._known_tokens = self._room = None
        self._sent = ()
        left: list[Turn] = []
        fixed = self.estimate.message_tokens(self.rules) + self.estimate.message_tokens(moment)
        goal = (self.room_tokens - fixed) * self.keep_share
        while self._turns and self._turn_tokens() > goal:
            turn = self._turns.pop(0)
            left.append(turn)
            self._gists = [*self._gists, turn.gist][-MAX_GISTS:]
        while self._gists and (
            self._gist_tokens() > self.room_tokens * GIST_SHARE or self._tokens_with(moment) > self.room_tokens
        ):
            self._gists.pop(0)
        return tuple(left)

    def _gist_tokens(self) -> int:
        return sum(self.estimate.tokens(gist) for gist in self._gists)

    def _turn_tokens(self) -> int:
        said: list[tuple[Role, str]] = []
        for turn in self._turns:
            said.append(("user", turn.user))
            said.append(("assistant", turn.reply))
        return self.estimate.prompt_tokens(said)


def _laid_out(rules: str, turns: Sequence[Turn], gists: Sequence[str]) -> list[tuple[Role, str]]:
    messages: list[tuple[Role, str]] = [("system", rules)]
    for position, turn in enumerate(turns):
        messages.append(("user", turn.user if position else _with_gists(turn.user, gists)))
        messages.append(("assistant", turn.reply))
    return messages


def _with_gists(text: str, gists: Sequence[str]) -> str:
    return "\n".join(["Earlier:", *(f"- {gist}" for gist in gists), text]) if gists else text
