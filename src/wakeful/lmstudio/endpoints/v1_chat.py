"""`/api/v1/chat`: LM Studio's own chat, which keeps the conversation and tells of loading, reading, and tools.

It takes no assistant turns, no tools of the caller's and no schema; for these there is `/v1/chat/completions`.
A key that the server does not know makes it refuse the request.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict, Unpack

import msgspec

from wakeful.lmstudio.endpoints.answers import Record, Tagged, Unknown, ask, reader, to_record
from wakeful.lmstudio.endpoints.sampling import MAX_TOKENS, Extra, body_of
from wakeful.lmstudio.endpoints.streams import Assembly, EventStream
from wakeful.lmstudio.errors import BadRequest, LMStudioError, MalformedAnswer
from wakeful.lmstudio.http.transport import Reply, Transport

PATH = "/api/v1/chat"


class ProviderInfo(Record, frozen=True, kw_only=True):
    """Where a tool comes from. type: `plugin` with its id, or `ephemeral_mcp` with the label of its server."""

    type: str = ""
    plugin_id: str = ""
    server_label: str = ""


class InvalidCall(Record, frozen=True, kw_only=True):
    """What was wrong with a tool call. type: `invalid_name` or `invalid_arguments`."""

    type: str = ""
    tool_name: str = ""
    arguments: dict[str, Any] | None = None
    provider_info: ProviderInfo | None = None


class MessageItem(Tagged, frozen=True, kw_only=True, tag="message"):
    """A part of the answer itself."""

    content: str = ""


class ReasoningItem(Tagged, frozen=True, kw_only=True, tag="reasoning"):
    """What the model thought."""

    content: str = ""


class ToolCallItem(Tagged, frozen=True, kw_only=True, tag="tool_call"):
    """A tool that the server called for the model. output: what it gave."""

    tool: str = ""
    arguments: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])
    output: str = ""
    provider_info: ProviderInfo = ProviderInfo()


class InvalidToolCallItem(Tagged, frozen=True, kw_only=True, tag="invalid_tool_call"):
    """A call that could not be made. reason: why, in words."""

    reason: str = ""
    metadata: InvalidCall = InvalidCall()


OutputItem = MessageItem | ReasoningItem | ToolCallItem | InvalidToolCallItem | Unknown


class V1Stats(Record, frozen=True, kw_only=True):
    """What an answer took: tokens, tokens a second, seconds. None where the server does not say."""

    input_tokens: int | None = None
    total_output_tokens: int | None = None
    reasoning_output_tokens: int | None = None
    tokens_per_second: float | None = None
    time_to_first_token_s: float | None = msgspec.field(default=None, name="time_to_first_token_seconds")
    model_load_time_s: float | None = msgspec.field(default=None, name="model_load_time_seconds")


class V1ChatResult(Record, frozen=True, kw_only=True):
    """A whole answer. response_id: to go on from, "" when the server did not keep the conversation."""

    model_instance_id: str = ""
    output: tuple[OutputItem, ...] = ()
    stats: V1Stats = V1Stats()
    response_id: str = ""

    @property
    def text(self) -> str:
        """The answer itself."""
        return "".join(item.content for item in self.output if isinstance(item, MessageItem))

    @property
    def reasoning(self) -> str:
        """What the model thought."""
        return "".join(item.content for item in self.output if isinstance(item, ReasoningItem))

    @property
    def tool_calls(self) -> tuple[ToolCallItem, ...]:
        """The calls that the server made."""
        return tuple(item for item in self.output if isinstance(item, ToolCallItem))


class ChatStart(Tagged, frozen=True, kw_only=True, tag="chat.start"):
    """The request was taken."""

    model_instance_id: str = ""


class ModelLoadStart(Tagged, frozen=True, kw_only=True, tag="model_load.start"):
    """The model is loaded first."""

    model_instance_id: str = ""


class ModelLoadProgress(Tagged, frozen=True, kw_only=True, tag="model_load.progress"):
    """progress: in [0, 1]."""

    model_instance_id: str = ""
    progress: float = 0.0


class ModelLoadEnd(Tagged, frozen=True, kw_only=True, tag="model_load.end"):
    """load_time_s: seconds that it took."""

    model_instance_id: str = ""
    load_time_s: float = msgspec.field(default=0.0, name="load_time_seconds")


class PromptProcessingStart(Tagged, frozen=True, kw_only=True, tag="prompt_processing.start"):
    """The model begins to read the prompt."""


class PromptProcessingProgress(Tagged, frozen=True, kw_only=True, tag="prompt_processing.progress"):
    """progress: in [0, 1]."""

    progress: float = 0.0


class PromptProcessingEnd(Tagged, frozen=True, kw_only=True, tag="prompt_processing.end"):
    """The prompt is read; may come twice."""


class ReasoningStart(Tagged, frozen=True, kw_only=True, tag="reasoning.start"):
    """The model begins to think."""


class ReasoningDelta(Tagged, frozen=True, kw_only=True, tag="reasoning.delta"):
    """The next piece of what it thinks."""

    content: str = ""


class ReasoningEnd(Tagged, frozen=True, kw_only=True, tag="reasoning.end"):
    """The model has thought."""


class _OfTool(Tagged, frozen=True, kw_only=True):
    tool: str = ""
    provider_info: ProviderInfo = ProviderInfo()


class ToolCallStart(_OfTool, frozen=True, kw_only=True, tag="tool_call.start"):
    """The model begins to write a call."""


class ToolCallArguments(_OfTool, frozen=True, kw_only=True, tag="tool_call.arguments"):
    """All arguments of a call that is now made."""

    arguments: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])


class ToolCallSuccess(_OfTool, frozen=True, kw_only=True, tag="tool_call.success"):
    """The tool has answered."""

    arguments: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])
    output: str = ""


class ToolCallFailure(Tagged, frozen=True, kw_only=True, tag="tool_call.failure"):
    """The call could not be made; the model goes on all the same."""

    reason: str = ""
    metadata: InvalidCall = InvalidCall()


class MessageStart(Tagged, frozen=True, kw_only=True, tag="message.start"):
    """The model begins to answer."""


class MessageDelta(Tagged, frozen=True, kw_only=True, tag="message.delta"):
    """The next piece of the answer."""

    content: str = ""


class MessageEnd(Tagged, frozen=True, kw_only=True, tag="message.end"):
    """This part of the answer is whole."""


class ChatEnd(Tagged, frozen=True, kw_only=True, tag="chat.end"):
    """The answer is whole; the last event."""

    result: V1ChatResult = V1ChatResult()


V1ChatEvent = (
    ChatStart
    | ModelLoadStart
    | ModelLoadProgress
    | ModelLoadEnd
    | PromptProcessingStart
    | PromptProcessingProgress
    | PromptProcessingEnd
    | ReasoningStart
    | ReasoningDelta
    | ReasoningEnd
    | ToolCallStart
    | ToolCallArguments
    | ToolCallSuccess
    | ToolCallFailure
    | MessageStart
    | MessageDelta
    | MessageEnd
    | ChatEnd
    | Unknown
)

_BEFORE_IT_WRITES = (
    ChatStart,
    ModelLoadStart,
    ModelLoadProgress,
    ModelLoadEnd,
    PromptProcessingStart,
    PromptProcessingProgress,
    PromptProcessingEnd,
)


class PluginIntegration(TypedDict, total=False):
    """Tools of a plugin, or of a server in mcp.json (`mcp/<label>` as id). allowed_tools: all unless given."""

    type: Literal["plugin"]
    id: str
    allowed_tools: Sequence[str]


class EphemeralMCP(TypedDict, total=False):
    """Tools of an MCP server for this request alone. allowed_tools: all unless given."""

    type: Literal["ephemeral_mcp"]
    server_label: str
    server_url: str
    allowed_tools: Sequence[str]
    headers: Mapping[str, str]


Integration = str | PluginIntegration | EphemeralMCP


Input = str | Sequence[Mapping[str, object]]


class V1ChatOptions(Extra, total=False):
    """The options of one request; what is left out is left to the server.

    system_prompt: only in a conversation's first request; repeated, some templates refuse it
    integrations: whose tools the model may use; a text is `mcp/<label>` of mcp.json
    max_output_tokens: of the answer, reasoning included; 1,024 unless given
    reasoning: a setting that the model lacks is refused
    context_length: in tokens, of a model that this request loads
    store: False leaves the conversation unkept, and the answer without `response_id`
    previous_response_id: the answer to go on from; only what is new is sent then
    """

    system_prompt: str
    integrations: Sequence[Integration]
    temperature: float | None
    top_p: float
    top_k: int
    min_p: float
    repeat_penalty: float
    max_output_tokens: int
    reasoning: Literal["off", "low", "medium", "high", "on"]
    context_length: int
    store: bool
    previous_response_id: str


class V1ChatAssembly(Assembly[V1ChatEvent, V1ChatResult]):
    """Takes in the events of one answer. The last one repeats it whole, also after an error."""

    def __init__(self) -> None:
        super().__init__()
        self._result = V1ChatResult()

    def take(self, fields: dict[str, Any]) -> Sequence[V1ChatEvent]:
        """The event itself."""
        event: V1ChatEvent = to_record(fields, V1ChatEvent)
        match event:
            case ChatEnd(result=result):
                if self.text and not result.text:  # a server that does not repeat the answer
                    output = (*result.output, MessageItem(content=self.text))
                    result = msgspec.structs.replace(result, output=output)
                    event = msgspec.structs.replace(event, result=result)
                self._result = result
                self.complete = self.done = self.began = True
            case MessageDelta(content=content):
                self._texts.append(content)
                self.began = True
            case _:
                self.reading = isinstance(event, _BEFORE_IT_WRITES)
                self.began = self.began or not (self.reading or isinstance(event, Unknown))
        return (event,)

    def take_whole(self, reply: Reply, body: bytes) -> Sequence[V1ChatEvent]:
        """The text in one piece, and the end."""
        self._result = _read_whole(reply, body)
        text = self._result.text
        self._texts = [text]
        self.complete = self.done = True
        return (MessageDelta(content=text), ChatEnd(result=self._result))

    def result(self) -> V1ChatResult:
        """What the last event repeats."""
        return self._result


_read = reader(V1ChatResult)


def _read_whole(reply: Reply, body: bytes) -> V1ChatResult:
    """An answer in one piece. Raises the error that it is; MalformedAnswer when nothing in it says that it is one."""
    result = _read(reply, body)
    if not (result.model_instance_id or result.output):
        raise MalformedAnswer("The server's answer is no chat: it names no model and has no output.")
    return result


V1ChatStream = EventStream[V1ChatEvent, V1ChatResult]


class V1ChatEndpoint:
    """LM Studio's own chat."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._text_item = "message"

    async def create(
        self, text: Input, *, model: str, images: Sequence[str] = (), **options: Unpack[V1ChatOptions]
    ) -> V1ChatResult:
        """The answer in one piece.

        text: the new input, or items in LM Studio's own form; images: as data URLs
        Raises LMStudioError; TypeError for an option that does not exist.
        """
        body = self._body(text, model, images, options, stream=False)
        try:
            return await ask(self._transport, PATH, body, _read_whole)
        except BadRequest as error:
            self._learn(error, images)
            other = self._body(text, model, images, options, stream=False)
            if other == body:
                raise
        return await ask(self._transport, PATH, other, _read_whole)

    def stream(
        self, text: Input, *, model: str, images: Sequence[str] = (), **options: Unpack[V1ChatOptions]
    ) -> V1ChatStream:
        """The answer as it comes about, `ChatEnd` last.

        After an error the server still sends what it has: it is in the stream's `result` when the error is raised.
        """

        body = self._body(text, model, images, options, stream=True)

        def revise(error: LMStudioError) -> bytes | None:
            nonlocal body
            self._learn(error, images)
            before, body = body, self._body(text, model, images, options, stream=True)
            return body if body != before else None

        return V1ChatStream(self._transport, PATH, body, V1ChatAssembly, revise=revise)

    def _body(self, text: Input, model: str, images: Sequence[str], options: V1ChatOptions, *, stream: bool) -> bytes:
        content: str | list[Mapping[str, object]] = text if isinstance(text, str) else list(text)
        if images:
            items = [{"type": self._text_item, "content": content}] if isinstance(content, str) else content
            content = [*items, *({"type": "image", "data_url": url} for url in images)]
        fixed: dict[str, object] = {"model": model, "input": content, "stream": stream}
        if "max_output_tokens" not in options:
            fixed["max_output_tokens"] = MAX_TOKENS
        return body_of(fixed, options, V1ChatOptions)

    def _learn(self, error: LMStudioError, images: Sequence[str]) -> None:
        """Take in that the server refuses the name of the text beside an image, of which the documentation has two."""
        if images and isinstance(error, BadRequest) and "input" in error.detail:
            self._text_item = "text"
