"""What can be made to fail, when, and how: a plan is a list of these."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec

Count = Annotated[int, msgspec.Meta(ge=1)]
Place = Annotated[int, msgspec.Meta(ge=0)]
Seconds = Annotated[float, msgspec.Meta(ge=0)]

Wording = Literal["lmstudio", "keep", "fit", "exceeded", "llama.cpp", "engine", "silent"]
"""How LM Studio's engines have been seen to say that a prompt does not fit; `silent` is an answer of nothing at all."""


class Fault(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", omit_defaults=True, forbid_unknown_fields=True
):
    """One way to fail, and when. It happens at every request that matches, unless that is narrowed down.

    route: path that the request must have, model: name that it must ask for; `*` and `?` stand for any characters
    nth: only the request of this number among those that match, from 1; several numbers may be given
    every: only each so-manieth of them; after: not the first so many; times: only so often in all
    probability: only by chance, in [0, 1]; the plan's seed says by which
    """

    route: str = "*"
    model: str = "*"
    nth: Count | tuple[Count, ...] = ()
    every: Count = 1
    after: Place = 0
    times: Count | None = None
    probability: Annotated[float, msgspec.Meta(ge=0, le=1)] = 1.0


class Refuse(Fault, frozen=True, tag="refuse"):
    """The connection is reset as soon as it is made. Counted are connections; route and model are not known yet."""


class Offline(Fault, frozen=True, tag="offline"):
    """The request gets no answer, and nobody listens at the port for a while: connections are refused."""

    for_s: Seconds = 1.0


class Reset(Fault, frozen=True, tag="reset"):
    """The connection is reset. at_byte: after so much of the answer's body; at_event: or after so many events of it.

    At 0 not even the answer's head is sent.
    """

    at_byte: Place = 0
    at_event: Count | None = None


class Close(Fault, frozen=True, tag="close"):
    """The connection is closed in good order before the answer's end.

    at_byte: after so much of the body; at_event: or after so many events; neither: just before its last event or byte
    """

    at_byte: Place | None = None
    at_event: Count | None = None


class Stall(Fault, frozen=True, tag="stall"):
    """Silence. at_token: after so many tokens, 0 for before anything; at_byte: or after so much of the body.

    for_s: None for ever
    """

    at_token: Place = 0
    at_byte: Place | None = None
    for_s: Seconds | None = None


class Slow(Fault, frozen=True, tag="slow"):
    """Tokens come slowly: so many seconds before each."""

    token_s: Seconds = 0.5


class Status(Fault, frozen=True, tag="status"):
    """Another answer in place of the true one.

    body: text as it is, anything else as JSON; None for what LM Studio says
    headers: such as {"Retry-After": "2"}
    """

    status: Annotated[int, msgspec.Meta(ge=200, le=599)] = 500
    body: Any = None
    headers: Mapping[str, str] = {}
    content_type: str = "application/json; charset=utf-8"


class Garble(Fault, frozen=True, tag="garble"):
    """A piece of the answer is damaged. at_event: which, for streams.

    what: broken JSON, bytes that are no UTF-8, or (for streams) a chunk whose length is no number
    """

    at_event: Count = 1
    what: Literal["json", "utf8", "framing"] = "json"


class ErrorEvent(Fault, frozen=True, tag="error"):
    """The model fails after so many tokens: an error event in a stream, an error status in a whole answer."""

    at_token: Place = 1
    message: str = "The model failed to generate a response."


class ContentType(Fault, frozen=True, tag="content-type"):
    """The answer says that it is something else than it is."""

    value: str = "text/html; charset=utf-8"


class Crash(Fault, frozen=True, tag="crash"):
    """The model's process dies after so many tokens. It is really killed; a scripted model only says so."""

    at_token: Place = 1
    exit_code: int = 139


class Unload(Fault, frozen=True, tag="unload"):
    """The model is unloaded after so many tokens, by somebody else."""

    at_token: Place = 1


class HangUp(Fault, frozen=True, tag="hang-up"):
    """The answer is whole and promises to keep the connection, which is closed under the next request."""


class Overflow(Fault, frozen=True, tag="overflow"):
    """The prompt does not fit into the context, whatever it is. wording: how that is said."""

    wording: Wording = "lmstudio"
    prompt_tokens: Count = 9001
    context_tokens: Count = 4096


class ClockJump(Fault, frozen=True, tag="clock"):
    """What the server takes for the time jumps, back if by_s is negative; it stays so."""

    by_s: float = 3600.0


class Truncate(Fault, frozen=True, tag="truncate"):
    """The answer ends after so many tokens as if that were all. stop_reason: what is said of it."""

    at_token: Place = 1
    stop_reason: Literal["eosFound", "maxPredictedTokensReached", "contextLengthReached"] = "maxPredictedTokensReached"


class Endless(Fault, frozen=True, tag="endless"):
    """The answer begins anew whenever it ends, whatever its limits; it ends when the client goes away."""

    token_s: Seconds = 0.001


class Duplicate(Fault, frozen=True, tag="duplicate"):
    """The model that is asked for is loaded once more, under its name with `:2` behind it."""


AnyFault = (
    Refuse
    | Offline
    | Reset
    | Close
    | Stall
    | Slow
    | Status
    | Garble
    | ErrorEvent
    | ContentType
    | Crash
    | Unload
    | HangUp
    | Overflow
    | ClockJump
    | Truncate
    | Endless
    | Duplicate
)


class FaultPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Faults in the order in which they are tried; all that a request meets happen to it, the first answer counts.

    seed: the same plan with the same seed does the same to the same requests
    """

    fault: tuple[AnyFault, ...] = ()
    seed: int = 0
