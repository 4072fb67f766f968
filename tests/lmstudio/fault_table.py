"""The table of failures: what a server does, and what whoever asked it gets. Printed, it is the table of the docs.

`docs/client/failures.md` shows it and `test_lmstudio_fault_table.py` tries each row in every way of asking.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from misbehaviour import (
    at_once_close,
    at_once_reset,
    begins,
    byte_by_byte,
    calls,
    dripping_head,
    failing_stream,
    half_a_chunk,
    half_a_head,
    large,
    message,
    no_http,
    says,
    second,
    silent,
    written_otherwise,
)
from raw_server import DONE, GOOD_STREAM, Behaviour, delta, good

from wakeful.lmstudio import (
    AnswerTooLarge,
    AuthError,
    BadRequest,
    ChatResult,
    ContextOverflow,
    EmptyAnswer,
    LMStudioError,
    MalformedAnswer,
    ModelCrashed,
    ModelNotFound,
    ModelUnloaded,
    NoModelLoaded,
    NotLMStudio,
    RouteMissing,
    ServerBusy,
    ServerError,
    ServerTooSlow,
    ServerUnreachable,
    StreamBroken,
    Usage,
)

Where = Literal["server", "refused", "unknown host", "no connection", "restarted"]

TEXT = "Grüße, Welt"


@dataclass(frozen=True, slots=True)
class Raises:
    """What is raised, with the values of some of its fields. again: whether the request was sent once more before."""

    error: type[LMStudioError]
    again: bool = False
    fields: tuple[tuple[str, object], ...] = ()

    def cell(self) -> str:
        said = [f"`{name}={value!r}`" for name, value in self.fields]
        return ", ".join([f"[`{self.error.__name__}`][wakeful.lmstudio.{self.error.__name__}]", *said])


@dataclass(frozen=True, slots=True)
class Gives:
    """What comes back all the same. again: whether it took sending the request once more."""

    what: str
    holds: Callable[[ChatResult], object]
    again: bool = False

    def cell(self) -> str:
        return self.what


Outcome = Raises | Gives


@dataclass(frozen=True, slots=True)
class Fault:
    """A row. impatient: tried with deadlines of a moment; asks: how often, all but the last time in peace.

    variants: further ways of the same kind, which are tried too
    """

    what: str
    behaviour: Behaviour
    whole: Outcome
    stream: Outcome
    where: Where = "server"
    impatient: bool = False
    asks: int = 1
    variants: Sequence[Behaviour] = ()

    def row(self) -> str:
        again = {True: "yes", False: "no"}
        whole, stream = again[self.whole.again], again[self.stream.again]
        sent = whole if whole == stream else f"{whole}; streamed: {stream}"
        cells = [self.what, self.whole.cell(), self.stream.cell(), sent]
        if cells[1] == cells[2]:
            cells[2] = "the same"
        return f"| {' | '.join(cells)} |"


def raises(error: type[LMStudioError], *, again: bool = False, **fields: object) -> Raises:
    return Raises(error, again, tuple(fields.items()))


def broken(**fields: object) -> Raises:
    """A beginning came, and not the end."""
    return Raises(StreamBroken, False, (*fields.items(), ("status_code", 200), ("retry_helps", True)))


ALL_OF_IT = Gives("the whole answer", lambda result: result.text == TEXT and not result.interrupted)


def alike(what: str, behaviour: Behaviour, outcome: Outcome, **more: Any) -> Fault:
    """A failure that looks the same whole and streamed."""
    return Fault(what, behaviour, outcome, outcome, **more)


OVERFLOWS = (
    (
        "The number of tokens to keep from the initial prompt is greater than the context length "
        "(n_keep: 9000>= n_ctx: 4096). Try to load the model with a larger context length."
    ),
    (
        "Trying to keep the first 9000 tokens when context the overflows. However, the model is loaded with context "
        "length of only 4096 tokens, which is not enough."
    ),
    (
        'Engine protocol predict request returned 400: {"error":{"type":"exceed_context_size_error",'
        '"n_prompt_tokens":9000,"n_ctx":4096}}. Error Data: n/a, Additional Data: n/a'
    ),
    "request (9000 tokens) exceeds the available context size (4096 tokens), try increasing it",
    "Context size has been exceeded.",
    "The prompt does not fit in context length.",
    "This model's maximum context length is 4096 tokens.",
)
"""The wordings of LM Studio, of its engines, of llama.cpp and of those that take after OpenAI."""

CRASH = "The model has crashed without additional information. (Exit code: 6)"
NO_MODELS = "No models loaded. Please load a model in the developer page or use the 'lms load' command."
UNKNOWN_MODEL = {"error": {"message": 'Invalid model identifier "x".', "code": "model_not_found", "param": "model"}}
NO_ROUTE = says(200, {"error": "Unexpected endpoint or method. (POST /v1/chat/completions)"})
EVENTS_OF_ERROR = (
    b'event: error\ndata: {"error":{"message":"The model has crashed"},"message":"crashed"}\n\n',
    b'data: {"error":{"message":"The model has crashed"}}\n\n',
    b'data: {"error":"The model has crashed"}\n\n',
    b'event: error\ndata: {"message":"The model has crashed"}\n\n',
)
LONG = Gives("the whole answer", lambda result: len(result.text) == 50_000_000)
PAGE = b"<html><title>Router login</title></html>"

NO_CONNECTION: Sequence[Fault] = (
    alike("nobody listens there", good, raises(ServerUnreachable, again=True, stage="connect"), where="refused"),
    alike("no such host", good, raises(ServerUnreachable, again=True, stage="connect"), where="unknown host"),
    alike(
        "the connection does not come about in time",
        good,
        raises(ServerTooSlow, again=True, stage="connect"),
        where="no connection",
    ),
    alike("reset before the answer", at_once_reset, raises(ServerUnreachable, stage="first_token", partial="")),
    alike("closed before the answer", at_once_close, raises(ServerUnreachable, stage="first_token", partial="")),
    alike("cut in the middle of the headers", half_a_head, raises(ServerUnreachable, stage="first_token")),
    alike(
        "the kept connection is reset just as the next request leaves",
        second(at_once_reset),
        Gives("the whole answer", ALL_OF_IT.holds, again=True),
        asks=2,
    ),
    alike(
        "the kept connection is closed just as the next request leaves",
        second(at_once_close),
        Gives("the whole answer", ALL_OF_IT.holds, again=True),
        asks=2,
    ),
    alike("the server is restarted between two requests", good, ALL_OF_IT, where="restarted", asks=2),
)

CUT_OFF: Sequence[Fault] = (
    Fault(
        "reset in the middle of a chunk",
        half_a_chunk,
        broken(stage="whole"),
        broken(stage="between_tokens", partial="half"),
    ),
    Fault(
        "reset between two chunks",
        begins(b'{"choices": [', delta("half"), then="reset"),
        broken(stage="whole"),
        broken(stage="between_tokens", partial="half"),
    ),
    Fault(
        "closed between two chunks",
        begins(b'{"choices": [', delta("half"), then="close"),
        broken(stage="whole"),
        broken(stage="between_tokens", partial="half"),
    ),
    Fault(
        "a clean end without `[DONE]` or a finish reason",
        message({"content": "half"}, None),
        broken(partial="half"),
        broken(stage="between_tokens", partial="half"),
    ),
    Fault(
        "a clean end with nothing at all",
        begins(b"", then="end"),
        raises(MalformedAnswer, status_code=200),
        broken(stage="first_token", partial=""),
    ),
)

TOO_SLOW: Sequence[Fault] = (
    alike("no byte ever", silent, raises(ServerTooSlow, stage="first_token", partial=""), impatient=True),
    Fault(
        "headers, and then nothing",
        begins(b"", then="wait"),
        raises(ServerTooSlow, stage="whole"),
        raises(ServerTooSlow, stage="first_token"),
        impatient=True,
    ),
    Fault(
        "a beginning, and then nothing",
        begins(b'{"choices": [', delta("half"), then="wait"),
        raises(ServerTooSlow, stage="whole"),
        raises(ServerTooSlow, stage="between_tokens", partial="half"),
        impatient=True,
    ),
    Fault(
        "nothing but pings and blanks",
        begins(b"", then="ping"),
        raises(ServerTooSlow, stage="whole"),
        raises(ServerTooSlow, stage="first_token"),
        impatient=True,
    ),
    alike(
        "headers that never end, byte by byte",
        dripping_head,
        raises(ServerTooSlow, stage="first_token"),
        impatient=True,
    ),
    Fault(
        "an event that never ends, byte by byte",
        begins(b'{"choices": [', delta("half"), then="drip"),
        raises(ServerTooSlow, stage="whole"),
        raises(ServerTooSlow, stage="between_tokens", partial="half"),
        impatient=True,
    ),
)

REFUSED: Sequence[Fault] = (
    alike(
        "400, context overflow, in each wording of LM Studio and llama.cpp",
        says(400, OVERFLOWS[0]),
        raises(ContextOverflow, status_code=400, retry_helps=False),
        variants=[says(400, text) for text in OVERFLOWS[1:]] + [says(400, {"error": text}) for text in OVERFLOWS],
    ),
    alike("400, a wrong parameter", says(400, "'messages' field is required"), raises(BadRequest, status_code=400)),
    alike("400, “The model has crashed”", says(400, CRASH), raises(ModelCrashed, status_code=400, retry_helps=True)),
    alike("400, “Model unloaded”", says(400, "Model unloaded."), raises(ModelUnloaded, retry_helps=True)),
    alike("400, “No models loaded”", says(400, NO_MODELS), raises(NoModelLoaded, retry_helps=False)),
    alike(
        "400 or 404, unknown model",
        says(404, 'Model "x" not found'),
        raises(ModelNotFound),
        variants=[says(400, UNKNOWN_MODEL)],
    ),
    alike("401, wrong or missing API token", says(401, "Invalid API key"), raises(AuthError, status_code=401)),
    alike("404, or 200 with “Unexpected endpoint”", says(404, "not here"), raises(RouteMissing), variants=[NO_ROUTE]),
    alike("408", says(408, "request timeout"), raises(ServerError, again=True, status_code=408)),
    alike("413", says(413, "request entity too large"), raises(BadRequest, status_code=413)),
    alike("429", says(429, "slow down"), raises(ServerBusy, again=True, status_code=429, retry_after_s=None)),
    alike(
        "429 with `Retry-After`, which is waited",
        says(429, "slow down", Retry_After="0.01"),
        raises(ServerBusy, again=True, status_code=429, retry_after_s=0.01),
    ),
    alike(
        "429 with a `Retry-After` of an hour",
        says(429, "slow down", Retry_After="3600"),
        raises(ServerBusy, status_code=429, retry_after_s=3600.0),
    ),
    alike("500", says(500, "Internal error"), raises(ServerError, status_code=500)),
    alike("500, “model crashed”", says(500, CRASH), raises(ModelCrashed, status_code=500)),
    alike("502 of something in between", says(502, PAGE, "text/html"), raises(ServerError, status_code=502)),
    alike(
        "503 while the model is loaded",
        says(503, "Loading model"),
        raises(ServerError, again=True, status_code=503, retry_after_s=None),
    ),
    alike(
        "503 with `Retry-After`, which is waited",
        says(503, "Loading model", Retry_After="0.01"),
        raises(ServerError, again=True, status_code=503, retry_after_s=0.01),
    ),
)

NO_ANSWER: Sequence[Fault] = (
    alike("HTML instead of JSON", says(200, PAGE, "text/html"), raises(NotLMStudio, status_code=200)),
    alike("a redirect", says(302, b"", "text/plain", Location="/login"), raises(NotLMStudio, status_code=302)),
    alike("text of some kind", says(200, b"It works!", "text/plain"), raises(NotLMStudio, status_code=200)),
    alike("something that is no HTTP", no_http, raises(NotLMStudio)),
    alike("JSON that is no answer", says(200, {"hello": "world"}), raises(MalformedAnswer, status_code=200)),
    Fault(
        "malformed JSON",
        failing_stream(b'data: {"choices": [}\n\n', says(200, b'{"choices": [}')),
        raises(MalformedAnswer, status_code=200),
        raises(MalformedAnswer, partial="half"),
    ),
    Fault(
        "200 with an `error` in it, or an event `error` in the stream",
        failing_stream(EVENTS_OF_ERROR[0], says(200, CRASH)),
        raises(ModelCrashed, status_code=200, partial=""),
        raises(ModelCrashed, status_code=200, partial="half"),
        variants=[failing_stream(event, says(200, {"error": CRASH})) for event in EVENTS_OF_ERROR[1:]],
    ),
    alike("success without a word", message({"content": ""}, "stop"), raises(EmptyAnswer, reasoning="")),
    alike(
        "nothing but reasoning, until the tokens ran out",
        message({"reasoning_content": "hm"}, "length"),
        raises(EmptyAnswer, reasoning="hm"),
    ),
    alike("an answer, or a single event, of 50 MB", large(50_000_000), LONG),
    alike("one of more than 64 MiB", large(68_000_000), raises(AnswerTooLarge)),
)

HARMLESS: Sequence[Fault] = (
    alike("split at every byte, also within a character", byte_by_byte, ALL_OF_IT),
    alike("CRLF between the lines", written_otherwise(GOOD_STREAM.replace(b"\n", b"\r\n")), ALL_OF_IT),
    alike(
        "comments and keep-alive pings",
        written_otherwise(b": hello\n\n" + GOOD_STREAM.replace(b"\n\n", b"\n\n: ping\n\n")),
        ALL_OF_IT,
    ),
    alike(
        "`event:` lines",
        written_otherwise(GOOD_STREAM.replace(b"data: {", b"event: chat.completion.chunk\ndata: {")),
        ALL_OF_IT,
    ),
    alike("no space after `data:`", written_otherwise(GOOD_STREAM.replace(b"data: ", b"data:")), ALL_OF_IT),
    alike("no `[DONE]`, but a finish reason", written_otherwise(GOOD_STREAM.removesuffix(DONE)), ALL_OF_IT),
    alike(
        "no `usage`",
        message({"content": TEXT}, "stop"),
        Gives("the answer; its counts are None", lambda result: result.text == TEXT and result.usage == Usage()),
    ),
    alike(
        "arguments of a tool call that are no JSON",
        message({"tool_calls": calls((0, "1", "f", '{"a": '))}, "tool_calls"),
        Gives("the call, and why it can't be made in `ToolCall.error`", lambda result: result.tool_calls[0].error),
    ),
    alike(
        "two tool calls under one index",
        message({"tool_calls": calls((0, "1", "f", '{"a": 1}'), (0, "2", "g", '{"b": 2}'))}, "tool_calls"),
        Gives(
            "both calls, whole", lambda result: [call.parsed() for call in result.tool_calls] == [{"a": 1}, {"b": 2}]
        ),
    ),
)

SECTIONS: Sequence[tuple[str, Sequence[Fault]]] = (
    ("No connection, or none any more", NO_CONNECTION),
    ("Cut off", CUT_OFF),
    ("Too slow", TOO_SLOW),
    ("Refused", REFUSED),
    ("No answer", NO_ANSWER),
    ("Odd, but whole", HARMLESS),
)

FAULTS = [fault for _, faults in SECTIONS for fault in faults]


def table(faults: Iterable[Fault]) -> str:
    """The rows as Markdown."""
    head = "| what happens | asked for whole | streamed | sent again? |\n|---|---|---|---|\n"
    return head + "\n".join(fault.row() for fault in faults)


if __name__ == "__main__":
    print("\n\n".join(f"## {title}\n\n{table(faults)}" for title, faults in SECTIONS))
