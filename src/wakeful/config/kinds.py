"""Kinds of values that settings take."""

from typing import Annotated, Literal

from msgspec import Meta

# The upper ends are far beyond what anybody wants: they keep infinity and slips of the pen from what reckons with them.
Port = Annotated[int, Meta(ge=0, le=65535)]
Seconds = Annotated[float, Meta(gt=0, le=366 * 86_400)]
SecondsOrNever = Annotated[float, Meta(ge=0, le=366 * 86_400)]
Tokens = Annotated[int, Meta(ge=0, le=1_000_000_000)]
Text = Annotated[str, Meta(min_length=1)]
Ends = Annotated[list[Annotated[float, Meta(ge=0, le=366 * 86_400)]], Meta(min_length=2, max_length=2)]
Shares = Annotated[list[Annotated[float, Meta(ge=0, le=0.8)]], Meta(min_length=2, max_length=2)]
StanceName = Literal["base", "fep", "metacognitive", "structured"]
Texts = Annotated[list[Text], Meta(min_length=1)]
