"""An answer that several requests to the model make together, one going on where the other stopped. No I/O."""

import msgspec

from wakeful.engine.runner.pieces import Done, Piece, PromptProgress, Stats, Text
from wakeful.engine.runner.request import Generation


class SoFar:
    """What was said already, and what it took.

    generation: as it was asked for
    """

    def __init__(self, generation: Generation) -> None:
        self._generation = generation
        self._texts: list[str] = []
        self._tokens = 0
        self._earlier = 0  # tokens of the requests before this one
        self._stats: Stats | None = None
        self._spent_s = 0.0

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(self._texts)

    @property
    def can_go_on(self) -> bool:
        """Whether another request can: what a schema or a grammar allows next is known only to the broken one."""
        return not self._texts or (self._generation.schema is None and self._generation.grammar is None)

    @property
    def max_tokens(self) -> int | None:
        """How much may still be said."""
        limit = self._generation.max_tokens
        return None if limit is None else max(0, limit - self._tokens)

    def begin(self) -> None:
        """Take in that another request begins."""
        self._earlier = self._tokens

    def passes(self, piece: Piece) -> bool:
        """Take in a piece; whether it is news: the prompt is read again, but not for the reader."""
        if isinstance(piece, Text):
            self._texts.append(piece.text)
            self._tokens += piece.tokens
            return True
        return not (isinstance(piece, PromptProgress) and self._texts)

    def stopped(self, done: Done) -> None:
        """Keep what a request took that another one goes on from."""
        self._stats = self._with(done.stats)
        self._tokens = self._stats.completion_tokens

    def whole(self, done: Done) -> Done:
        """The end of all requests together."""
        return msgspec.structs.replace(done, stats=self._with(done.stats))

    def _with(self, last: Stats) -> Stats:
        if not self._earlier:
            return last  # one request made all of it
        # By the model's own count: a token that is but a part of a character gives no piece.
        tokens = self._earlier + last.completion_tokens
        before = self._stats or Stats(prompt_tokens=last.prompt_tokens, first_token_s=last.first_token_s)
        generation_s = before.generation_s + last.generation_s
        return Stats(
            prompt_tokens=before.prompt_tokens,
            cached_tokens=before.cached_tokens,
            completion_tokens=tokens,
            first_token_s=before.first_token_s,
            generation_s=generation_s,
            tokens_per_second=tokens / generation_s if generation_s > 0 else 0.0,
        )
