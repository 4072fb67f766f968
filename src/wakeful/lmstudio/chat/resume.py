"""How an answer that was cut off goes on where it stopped. No I/O."""

from wakeful.lmstudio.chat.events import ContentDelta
from wakeful.lmstudio.errors import (
    LMStudioError,
    ModelCrashed,
    ModelUnloaded,
    ServerTooSlow,
    ServerUnreachable,
    StreamBroken,
)

_SURE = 32
"""Characters that are the same as the beginning of the answer by no accident."""


def is_cut(error: LMStudioError) -> bool:
    """Whether the answer up to this failure is worth going on from."""
    if isinstance(error, ServerTooSlow):
        return error.stage == "between_tokens"
    return isinstance(error, StreamBroken | ModelCrashed | ModelUnloaded | ServerUnreachable)


class Joint:
    """Puts the rest of an answer to its beginning, also where the server says the beginning once more.

    partial: the beginning, which the model was given as its own last message
    decided: whether all that follows is the rest, so that `feed` need not be called any more
    """

    def __init__(self, partial: str) -> None:
        self.decided = len(partial) < _SURE
        self._partial = partial
        self._held = ""

    def feed(self, text: str) -> list[ContentDelta]:
        """What the next piece adds; what may be the beginning again is held back until it is clear.

        Raises StreamBroken when the model began anew and then said something else.
        """
        if self.decided:
            return [ContentDelta(text)] if text else []
        self._held += text
        if self._held.startswith(self._partial):
            return self._rest(self._held[len(self._partial) :])
        if self._partial.startswith(self._held):
            return []
        if self._held.startswith(self._partial[:_SURE]):
            raise StreamBroken("The answer was to go on where it was cut off, but began anew and differs.")
        return self._rest(self._held)

    def close(self) -> list[ContentDelta]:
        """What was held back, once nothing follows."""
        return self._rest(self._held)

    def _rest(self, text: str) -> list[ContentDelta]:
        self.decided = True
        self._held = ""
        return [ContentDelta(text)] if text else []
