"""What llama.cpp's own server says: server-sent events, cut out of what is read, and their typed content. No I/O."""

from typing import Generic, TypeVar

import msgspec

from wakeful.engine.errors import DoesNotFit, EngineError, GenerationFailed, NotPossible

T = TypeVar("T")

_JINJA = "Jinja Exception: "


class Progress(msgspec.Struct, gc=False):
    """How much of the prompt is read, in tokens; processed includes what was cached."""

    total: int = 0
    cache: int = 0
    processed: int = 0


class Timings(msgspec.Struct, gc=False):
    """What it took so far: tokens, and milliseconds."""

    cache_n: int = 0
    prompt_n: int = 0
    predicted_n: int = 0
    predicted_ms: float = 0.0
    predicted_per_second: float = 0.0


class Choice(msgspec.Struct):
    """A token and its log-probability; those that were as likely, where they were asked for."""

    id: int = -1
    token: str = ""
    logprob: float = 0.0
    top_logprobs: list["Choice"] = []


class Fault(msgspec.Struct):
    """Why it did not do what was asked."""

    message: str = ""
    type: str = ""
    code: int = 0
    n_prompt_tokens: int = 0
    n_ctx: int = 0


class FaultBody(msgspec.Struct):
    """The body of an answer that is no success."""

    error: Fault


class PlainChunk(msgspec.Struct):
    """An event of `/completion`. tokens_predicted: so far."""

    content: str = ""
    stop: bool = False
    stop_type: str = ""
    stopping_word: str = ""
    tokens_predicted: int = 0
    tokens_evaluated: int = 0
    prompt_progress: Progress | None = None
    completion_probabilities: list[Choice] = []
    timings: Timings | None = None
    error: Fault | None = None


class FunctionDelta(msgspec.Struct, gc=False):
    """A piece of a call."""

    name: str | None = None
    arguments: str | None = None


class CallDelta(msgspec.Struct):
    """A piece of the call of this index."""

    index: int = 0
    function: FunctionDelta = msgspec.field(default_factory=FunctionDelta)


class Delta(msgspec.Struct):
    """What is new in an answer."""

    content: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[CallDelta] | None = None


class ChatLogprobs(msgspec.Struct):
    """Of the tokens of a delta."""

    content: list[Choice] | None = None


class ChatChoice(msgspec.Struct):
    """The only answer."""

    delta: Delta = msgspec.field(default_factory=Delta)
    finish_reason: str | None = None
    logprobs: ChatLogprobs | None = None


class ChatChunk(msgspec.Struct):
    """An event of `/v1/chat/completions`."""

    choices: list[ChatChoice] = []
    prompt_progress: Progress | None = None
    timings: Timings | None = None
    error: Fault | None = None


class Events(Generic[T]):
    """Cuts events out of a stream, however it was split: `feed` gives those that are complete.

    All that came with one read are decoded at once, which is what makes a fast model cheap.
    """

    def __init__(self, decoder: "msgspec.json.Decoder[list[T]]") -> None:
        self._decoder = decoder
        self._rest = b""
        self.finished = False

    def feed(self, data: bytes) -> list[T]:
        """The events that are complete now. Raises msgspec.DecodeError for what is no JSON of this form."""
        head, separator, self._rest = (self._rest + data).rpartition(b"\n\n")
        if not separator:
            return []
        bodies: list[bytes] = []
        for event in head.split(b"\n\n"):
            if event.startswith(b"data: "):
                if event == b"data: [DONE]":
                    self.finished = True
                else:
                    bodies.append(event[6:])
            elif event.startswith(b"error: "):  # older builds
                bodies.append(b'{"error":' + event[7:] + b"}")
        return self._decoder.decode(b"[" + b",".join(bodies) + b"]") if bodies else []


PLAIN = msgspec.json.Decoder(list[PlainChunk])
CHAT = msgspec.json.Decoder(list[ChatChunk])
FAULT = msgspec.json.Decoder(FaultBody)


class PoolExhausted(DoesNotFit):
    """Several answers that share one context have filled it together; each could go on alone."""


def raised(fault: Fault) -> EngineError:
    """The error that an answer of llama.cpp means."""
    if fault.type == "exceed_context_size_error" or fault.n_prompt_tokens:
        return too_long(fault.n_prompt_tokens, fault.n_ctx)
    if "Context size has been exceeded" in fault.message:
        return PoolExhausted("Context size has been exceeded: several answers share it.")
    if _JINJA in fault.message:
        return NotPossible(
            f"The prompt template of this model refuses the conversation: {fault.message.partition(_JINJA)[2].strip()}"
        )
    if fault.type in ("invalid_request_error", "not_supported_error") or "not supported" in fault.message:
        return NotPossible(fault.message)
    return GenerationFailed(fault.message or "The model gave an error without words.")


def too_long(prompt_tokens: int, context_tokens: int) -> DoesNotFit:
    """LM Studio's words for a prompt that is longer than the context."""
    return DoesNotFit(
        f"Trying to keep the first {prompt_tokens} tokens when context the overflows. However, the model is loaded "
        f"with context length of only {context_tokens} tokens, which is not enough. Try to load the model with a "
        "larger context length, or provide a shorter input.",
        prompt_tokens=prompt_tokens,
        context_tokens=context_tokens,
    )
