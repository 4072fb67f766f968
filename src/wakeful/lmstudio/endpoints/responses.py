"""`/v1/responses`: OpenAI's newer form, with a conversation that the server keeps, and tools of MCP servers.

LM Studio keeps answers for 30 days, and refuses an id that it no longer has. It does not hold answers to a schema
here, and pays no heed to a time to live.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Unpack

import msgspec

from wakeful.lmstudio.endpoints.answers import Unknown, ask, reader, to_record
from wakeful.lmstudio.endpoints.response_events import (
    ArgumentsDelta,
    OutputMessage,
    OutputText,
    OutputTextDelta,
    ReasoningTextDelta,
    Response,
    ResponseCompleted,
    ResponseCreated,
    ResponseEvent,
    ResponseFailed,
    ResponseIncomplete,
    ResponseInProgress,
    ResponseQueued,
)
from wakeful.lmstudio.endpoints.sampling import MAX_TOKENS, Extra, body_of
from wakeful.lmstudio.endpoints.streams import Assembly, EventStream
from wakeful.lmstudio.errors import MalformedAnswer, StreamBroken
from wakeful.lmstudio.http.classify import classify, error_from
from wakeful.lmstudio.http.transport import Reply, Transport

PATH = "/v1/responses"


class ResponseOptions(Extra, total=False):
    """The options of one request; what is left out is left to the server.

    instructions: the system's words, not taken over from the answer before
    previous_response_id: the answer to go on from; only what is new is sent then
    store: False leaves the answer unkept
    reasoning_effort: `none` switches thinking off where the model allows it
    tools: functions (`{"type": "function", "name", "parameters"}`) and MCP servers (`{"type": "mcp",
        "server_label", "server_url"}`), in OpenAI's form
    max_output_tokens: of the answer, reasoning included; 1,024 unless given
    include: what to add, such as `message.output_text.logprobs`, of which `top_logprobs` says how many
    """

    instructions: str
    previous_response_id: str
    store: bool
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high"]
    tools: Sequence[Mapping[str, Any]]
    tool_choice: Literal["none", "auto", "required"] | Mapping[str, Any]
    temperature: float | None
    top_p: float
    max_output_tokens: int
    include: Sequence[str]
    top_logprobs: int


class ResponseAssembly(Assembly[ResponseEvent, Response]):
    """Takes in the events of one answer, the last of which repeats it whole."""

    def __init__(self) -> None:
        super().__init__()
        self._result = Response()

    def take(self, fields: dict[str, Any]) -> Sequence[ResponseEvent]:
        """The event itself; nothing for one that says that the server failed."""
        event: ResponseEvent = to_record(fields, ResponseEvent)
        match event:
            case OutputTextDelta(delta=delta):
                self._texts.append(delta)
                self.began = True
            case ReasoningTextDelta() | ArgumentsDelta():
                self.began = True
            case ResponseCreated() | ResponseInProgress() | ResponseQueued() | Unknown():
                pass
            case ResponseFailed(response=response):
                self._result = response
                self.fail({"error": response.error or "The response failed."})
                self.done = True
                return ()
            case ResponseCompleted(response=response) | ResponseIncomplete(response=response):
                if self.text and not response.text:  # a server that does not repeat the answer
                    message = OutputMessage(content=(OutputText(text=self.text),))
                    response = msgspec.structs.replace(response, output=(*response.output, message))
                    event = msgspec.structs.replace(event, response=response)
                self._result = response
                self.complete = self.done = self.began = True
            case _:
                self.began = True
        return (event,)

    def take_whole(self, reply: Reply, body: bytes) -> Sequence[ResponseEvent]:
        """The text in one piece, and the end."""
        self._result = _read_whole(reply, body)
        text = self._result.text
        self._texts = [text]
        self.complete = self.done = True
        end = ResponseIncomplete if self._result.status == "incomplete" else ResponseCompleted
        return (OutputTextDelta(delta=text), end(response=self._result))

    def result(self) -> Response:
        """What the last event repeats."""
        return self._result


_read = reader(Response)


def _read_whole(reply: Reply, body: bytes) -> Response:
    """An answer in one piece.

    Raises the error that it is, also by its status alone; MalformedAnswer when nothing in it says that it is one.
    """
    response = _read(reply, body)
    if response.status == "failed":
        raw = body.decode("utf-8", "replace")
        raise classify(reply.status, error_from(response.error or "The response failed.", "", raw))
    if response.status in ("completed", "incomplete") or (response.output and not response.status):
        return response
    if not response.status:
        raise MalformedAnswer("The server's answer is no response: it has neither a status nor an output.")
    raise StreamBroken(
        f"The response is not whole: it is {response.status}.",
        status_code=reply.status,
        stage="whole",
        partial=response.text,
    )


ResponseStream = EventStream[ResponseEvent, Response]


class ResponsesEndpoint:
    """Answers in OpenAI's newer form."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def create(
        self, text: str | Sequence[Mapping[str, Any]], *, model: str = "", **options: Unpack[ResponseOptions]
    ) -> Response:
        """The answer in one piece.

        text: what is said, or items in OpenAI's form: messages, images, `function_call_output`
        Raises LMStudioError; TypeError for an option that does not exist.
        """
        return await ask(self._transport, PATH, _body(text, model, options, stream=False), _read_whole)

    def stream(
        self, text: str | Sequence[Mapping[str, Any]], *, model: str = "", **options: Unpack[ResponseOptions]
    ) -> ResponseStream:
        """The answer as it is generated, `ResponseCompleted` or `ResponseIncomplete` last."""
        body = _body(text, model, options, stream=True)
        return ResponseStream(self._transport, PATH, body, ResponseAssembly)


def _body(text: str | Sequence[Mapping[str, Any]], model: str, options: ResponseOptions, *, stream: bool) -> bytes:
    fixed: dict[str, object] = {"model": model or None, "input": text, "stream": stream}
    if "max_output_tokens" not in options:
        fixed["max_output_tokens"] = MAX_TOKENS
    if effort := options.pop("reasoning_effort", None):
        fixed["reasoning"] = {"effort": effort}
    return body_of(fixed, options, ResponseOptions)
