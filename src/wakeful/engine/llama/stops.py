"""Ends a text at the first stop string, however it was split. No I/O."""

from collections.abc import Sequence


class StopScanner:
    """Fed with pieces of a text, it gives what surely stands before any stop string.

    held: what was kept back; found: the stop string that was met, "" for none so far; nothing of the text follows on it
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = [stop for stop in stops if stop]
        self.held: str = ""
        self.found: str = ""

    def feed(self, piece: str) -> str:
        """What can be said now. It keeps back what may be the beginning of a stop string."""
        if self.found:
            return ""
        text = self.held + piece
        hits = [(text.find(stop) + len(stop), text.find(stop), stop) for stop in self._stops if stop in text]
        if hits:
            # the one that is whole first, since the next piece of the text can't be waited for
            _, at, self.found = min(hits)
            self.held = ""
            return text[:at]
        keep = max((_overlap(text, stop) for stop in self._stops), default=0)
        self.held = text[len(text) - keep :]
        return text[: len(text) - keep]

    def end(self) -> str:
        """What was kept back, now that nothing follows."""
        held, self.held = self.held, ""
        return held


def _overlap(text: str, stop: str) -> int:
    """How many characters at the end of `text` may begin `stop`."""
    return next((size for size in range(min(len(text), len(stop) - 1), 0, -1) if text.endswith(stop[:size])), 0)
