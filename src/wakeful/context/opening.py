"""What a prompt begins with after its rules: what is known, and what left it, in short. Only compaction changes it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

KNOWN = "What you know of this machine, of its user and of yourself:"
LONG_AGO = "Long ago, in short:"
EARLIER = "Earlier:"


@dataclass(frozen=True, slots=True)
class Opening:
    """The texts that stand before the oldest turn.

    known: the lines of the self-model; summary: what stands for what left long ago
    gists: what left since then, a line each, oldest first
    """

    known: tuple[str, ...] = ()
    summary: str = ""
    gists: tuple[str, ...] = ()

    @property
    def parts(self) -> tuple[tuple[str, str], ...]:
        """Name and text of each part that there is, in the order of the prompt."""
        parts: list[tuple[str, str]] = []
        if self.known:
            parts.append(("self-model", "\n".join([KNOWN, *(f"- {line}" for line in self.known)])))
        if self.summary:
            parts.append(("summary", f"{LONG_AGO} {self.summary}"))
        if self.gists:
            parts.append(("earlier", "\n".join([EARLIER, *(f"- {gist}" for gist in self.gists)])))
        return tuple(parts)

    @property
    def text(self) -> str:
        """All of it, "" for none."""
        return "\n".join(text for _, text in self.parts)

    def before(self, text: str) -> str:
        """A turn's text with this before it."""
        return "\n".join([*(part for _, part in self.parts), text])


NOTHING = Opening()
"""What a conversation that is new begins with."""


def that_fit(lines: Sequence[str], max_tokens: int, count: Callable[[str], int]) -> tuple[str, ...]:
    """The newest of these lines, as many as fit, in their order."""
    fitting: list[str] = []
    for line in reversed(lines):
        max_tokens -= count(line) + 2  # its dash and its end
        if max_tokens < 0:
            break
        fitting.append(line)
    return tuple(reversed(fitting))
