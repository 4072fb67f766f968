"""Did the prompt begin as the last one did? The server's prefix cache serves only what is the same, byte for byte."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from wakeful.context.opening import Opening

Role = Literal["system", "user", "assistant"]

_AROUND = 40
"""Characters that are told on each side of where two prompts part."""


@dataclass(frozen=True, slots=True)
class Broken:
    """Where a prompt differs from the one before it, although it should only have grown.

    part: which message changed, by its position and role; byte: the first one that differs, from the prompt's start,
        the texts alone counted (UTF-8); was, is_now: what stood and stands there
    """

    part: str
    byte: int
    was: str
    is_now: str

    def __str__(self) -> str:
        return f"The prompt changed at byte {self.byte:,}, in {self.part}: it was {self.was!r} and is {self.is_now!r}."


def first_difference(before: Sequence[tuple[Role, str]], now: Sequence[tuple[Role, str]]) -> Broken | None:
    """Where `now` does not begin with `before`; None when it does."""
    byte = 0
    for at, (role, was) in enumerate(before):
        new_role, text = now[at] if at < len(now) else ("missing", "")
        if (new_role, text) == (role, was):
            byte += len(was.encode("utf-8", "surrogatepass"))
            continue
        same = next((place for place, pair in enumerate(zip(was, text, strict=False)) if pair[0] != pair[1]), None)
        place = min(len(was), len(text)) if same is None else same
        byte += len(was[:place].encode("utf-8", "surrogatepass"))
        begin = max(0, place - _AROUND)
        part = f"message {at} ({role})" if new_role == role else f"message {at} ({role}, now {new_role})"
        return Broken(part, byte, was[begin : place + _AROUND], text[begin : place + _AROUND])
    return None


def named(broken: Broken, rules: str, opening: Opening) -> Broken:
    """The same, with the part of the prompt told by its name where it stands before the oldest turn."""
    end = len(rules.encode("utf-8", "surrogatepass"))
    for name, text in (("rules", ""), *opening.parts):
        end += len(text.encode("utf-8", "surrogatepass")) + (name != "rules")  # and its line's end
        if broken.byte < end:
            return replace(broken, part=f"the {name}, {broken.part}")
    return broken
