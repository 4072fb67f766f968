"""Which part of an answer is thought and which is said, where the server does not tell them apart. No I/O."""

from typing import Literal

from wakeful.lmstudio.chat.events import ContentDelta, ReasoningDelta

_TAGS = {
    "<think>": "</think>",
    "<thinking>": "</thinking>",
    "<seed:think>": "</seed:think>",
    "[THINK]": "[/THINK]",
}
"""What models open and close their thinking with: DeepSeek and Qwen, several fine-tunes, Seed, Magistral."""

_MAY_OPEN = "<[ \t\r\n"
"""What such a beginning, or blanks before it, can start with; the empty text is in it too."""

_LONGEST_BLANK = 256
"""Blank characters before an answer after which we no longer wait for an opening tag."""


class ThinkSplitter:
    """Takes a thinking section out of the beginning of an answer, however it is cut into pieces.

    Only the beginning: a tag within the answer itself is something that the model writes about.
    decided: whether all that follows is content, so that `feed` need not be called any more
    """

    def __init__(self) -> None:
        self.decided = False
        self._state: Literal["before", "thinking", "after"] = "before"
        self._held = ""
        self._closing = ""

    def feed(self, text: str) -> list[ContentDelta | ReasoningDelta]:
        """What the next piece adds; what may be the beginning of a tag is held back until it is clear."""
        if self.decided or (self._state == "before" and not self._held and text[:1] not in _MAY_OPEN):
            self.decided = True
            return [ContentDelta(text)] if text else []
        self._held += text
        if self._state == "before" and not self._opened():
            return self._content() if self.decided else []
        deltas: list[ContentDelta | ReasoningDelta] = []
        if self._state == "thinking":
            deltas += self._thought()
        if self._state == "after":
            self._held = self._held.lstrip()
            if self._held:
                self.decided = True
                deltas += self._content()
        return deltas

    def close(self) -> list[ContentDelta | ReasoningDelta]:
        """What was held back, once nothing follows."""
        thinking = self._state == "thinking"
        self.decided = True
        held, self._held = self._held, ""
        if not held:
            return []
        return [ReasoningDelta(held) if thinking else ContentDelta(held)]

    def _opened(self) -> bool:
        """Whether a section has begun; sets `decided` once it is clear that there is none."""
        start = self._held.lstrip()
        if len(self._held) - len(start) > _LONGEST_BLANK:
            self.decided = True
            return False
        for opening, closing in _TAGS.items():
            if start.startswith(opening):
                self._state, self._closing = "thinking", closing
                self._held = start[len(opening) :]
                return True
        self.decided = not any(opening.startswith(start) for opening in _TAGS)
        return False

    def _thought(self) -> list[ReasoningDelta]:
        thought, closed, rest = self._held.partition(self._closing)
        if closed:
            self._state = "after"
            self._held = rest
        else:
            keep = _overlap(thought, self._closing)
            self._held = thought[len(thought) - keep :]
            thought = thought[: len(thought) - keep]
        return [ReasoningDelta(thought)] if thought else []

    def _content(self) -> list[ContentDelta | ReasoningDelta]:
        held, self._held = self._held, ""
        return [ContentDelta(held)] if held else []


def _overlap(text: str, tag: str) -> int:
    """Characters at the end of `text` with which `tag` may begin."""
    return next((size for size in range(min(len(tag) - 1, len(text)), 0, -1) if text.endswith(tag[:size])), 0)


def split_unopened(text: str) -> tuple[str, str]:
    """Thought and answer of a text whose thinking was opened by the prompt, so that only its end is in the text.

    Some templates write the opening tag themselves. ("", text) when there is no closing tag on a line of its own.
    """
    if "/" not in text:
        return "", text
    for opening, closing in _TAGS.items():
        thought, closed, answer = text.partition(closing)
        if closed and opening not in thought and (not answer or answer[0] == "\n"):
            return thought, answer.lstrip()
    return "", text
