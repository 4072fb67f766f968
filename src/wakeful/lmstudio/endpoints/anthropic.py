"""`/v1/messages`: the form of Anthropic's API, for programs that speak it.

Source: platform.claude.com/docs (messages, streaming); LM Studio serves it since 0.4.1, without counting tokens.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

import msgspec

from wakeful.lmstudio.chat.events import Message
from wakeful.lmstudio.endpoints.answers import Record, Tagged, Unknown, ask, reader, to_record
from wakeful.lmstudio.endpoints.completions import must_be_whole
from wakeful.lmstudio.endpoints.sampling import MAX_TOKENS, Extra, body_of
from wakeful.lmstudio.endpoints.streams import Assembly, EventStream
from wakeful.lmstudio.http.transport import Reply, Transport

PATH = "/v1/messages"


class TextBlock(Tagged, frozen=True, kw_only=True, tag="text"):
    """A part of the answer itself."""

    text: str = ""


class ThinkingBlock(Tagged, frozen=True, kw_only=True, tag="thinking"):
    """What the model thought."""

    thinking: str = ""
    signature: str = ""


class ToolUseBlock(Tagged, frozen=True, kw_only=True, tag="tool_use"):
    """A tool that the caller is asked to call; its result goes into a `tool_result` block with the `id`.

    written: the input as the model wrote it and error: why it is no JSON object, both "" when it is
    """

    id: str = ""
    name: str = ""
    input: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])
    written: str = ""
    error: str = ""


ContentBlock = TextBlock | ThinkingBlock | ToolUseBlock | Unknown


class MessageUsage(Record, frozen=True, kw_only=True):
    """Tokens of one request; None where the server does not say."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None


class MessageAnswer(Record, frozen=True, kw_only=True):
    """A whole answer. stop_reason: `end_turn`, `tool_use`, `stop_sequence`, or `max_tokens`: cut off."""

    id: str = ""
    type: str = "message"
    role: str = "assistant"
    model: str = ""
    content: tuple[ContentBlock, ...] = ()
    stop_reason: str = ""
    stop_sequence: str | None = None
    usage: MessageUsage = MessageUsage()

    @property
    def text(self) -> str:
        """The answer itself."""
        return "".join(block.text for block in self.content if isinstance(block, TextBlock))

    @property
    def thinking(self) -> str:
        """What the model thought."""
        return "".join(block.thinking for block in self.content if isinstance(block, ThinkingBlock))

    @property
    def tool_uses(self) -> tuple[ToolUseBlock, ...]:
        """The tools that the caller is asked to call."""
        return tuple(block for block in self.content if isinstance(block, ToolUseBlock))


class TextDelta(Tagged, frozen=True, kw_only=True, tag="text_delta"):
    """The next piece of a text."""

    text: str = ""


class ThinkingDelta(Tagged, frozen=True, kw_only=True, tag="thinking_delta"):
    """The next piece of what the model thinks."""

    thinking: str = ""


class SignatureDelta(Tagged, frozen=True, kw_only=True, tag="signature_delta"):
    """The mark of what the model thought."""

    signature: str = ""


class InputJSONDelta(Tagged, frozen=True, kw_only=True, tag="input_json_delta"):
    """The next piece of the JSON of a tool's input."""

    partial_json: str = ""


BlockDelta = TextDelta | ThinkingDelta | SignatureDelta | InputJSONDelta | Unknown


class StopDelta(Record, frozen=True, kw_only=True):
    """Why the answer ended."""

    stop_reason: str = ""
    stop_sequence: str | None = None


class MessageStart(Tagged, frozen=True, kw_only=True, tag="message_start"):
    """The request was taken; the message has nothing in it yet."""

    message: MessageAnswer = MessageAnswer()


class ContentBlockStart(Tagged, frozen=True, kw_only=True, tag="content_block_start"):
    """A block begins."""

    index: int = 0
    content_block: ContentBlock = Unknown()


class ContentBlockDelta(Tagged, frozen=True, kw_only=True, tag="content_block_delta"):
    """The next piece of a block."""

    index: int = 0
    delta: BlockDelta = Unknown()


class ContentBlockStop(Tagged, frozen=True, kw_only=True, tag="content_block_stop"):
    """A block is whole."""

    index: int = 0


class MessageDelta(Tagged, frozen=True, kw_only=True, tag="message_delta"):
    """Why the answer ended, and what it took."""

    delta: StopDelta = StopDelta()
    usage: MessageUsage = MessageUsage()


class MessageStop(Tagged, frozen=True, kw_only=True, tag="message_stop"):
    """The answer is whole; the last event."""


class Ping(Tagged, frozen=True, kw_only=True, tag="ping"):
    """The server still lives; says nothing of the answer."""


MessageEvent = (
    MessageStart
    | ContentBlockStart
    | ContentBlockDelta
    | ContentBlockStop
    | MessageDelta
    | MessageStop
    | Ping
    | Unknown
)


class MessageOptions(Extra, total=False):
    """The options of one request; what is left out is left to the server.

    system: as text or blocks; tools: `{"name", "description", "input_schema"}` each
    tool_choice: `{"type": "auto"}` or `{"type": "any"}`
    max_tokens: of the answer; 1,024 unless given
    thinking: switches reasoning, such as `{"type": "enabled", "budget_tokens": 1024}`
    """

    system: str | Sequence[Mapping[str, Any]]
    tools: Sequence[Mapping[str, Any]]
    tool_choice: Mapping[str, Any]
    max_tokens: int
    temperature: float | None
    top_p: float
    top_k: int
    stop_sequences: Sequence[str]
    thinking: Mapping[str, Any]
    metadata: Mapping[str, Any]


class MessageAssembly(Assembly[MessageEvent, MessageAnswer]):
    """Takes in the events of one answer."""

    def __init__(self) -> None:
        super().__init__()
        self._message = MessageAnswer()
        self._blocks: dict[int, ContentBlock] = {}
        self._pieces: dict[int, list[str]] = {}

    def take(self, fields: dict[str, Any]) -> Sequence[MessageEvent]:
        """The event itself."""
        event: MessageEvent = to_record(fields, MessageEvent)
        self._add(event)
        return (event,)

    def take_whole(self, reply: Reply, body: bytes) -> Sequence[MessageEvent]:
        """The same for an answer in one piece: each block in one piece too."""
        message = read_message(reply, body)
        events = _as_events(message)
        for event in events:
            self._add(event)
        self._blocks = dict(enumerate(message.content))
        return events

    def _add(self, event: MessageEvent) -> None:
        match event:
            case MessageStart(message=message):
                self._message = message
            case ContentBlockStart(index=index, content_block=block):
                self.began = True
                self._blocks[index] = block
                if isinstance(block, TextBlock):
                    self._texts.append(block.text)
            case ContentBlockDelta(index=index, delta=delta):
                self.began = True
                self._extend(index, delta)
            case ContentBlockStop(index=index):
                self._blocks[index] = self._closed(index)
                self._pieces.pop(index, None)
            case MessageDelta(delta=delta, usage=usage):
                self._message = _ended(self._message, delta, usage)
                self.complete = bool(delta.stop_reason)
            case MessageStop():
                self.complete = self.done = True
            case Ping():
                self.moved = False
            case Unknown():
                pass

    def _extend(self, index: int, delta: BlockDelta) -> None:
        match delta:
            case TextDelta(text=text):
                self._texts.append(text)
                self._grow(index, TextBlock(), text)
            case ThinkingDelta(thinking=text):
                self._grow(index, ThinkingBlock(), text)
            case InputJSONDelta(partial_json=text):
                self._grow(index, ToolUseBlock(), text)
            case SignatureDelta(signature=signature):
                block = self._blocks.get(index)
                if isinstance(block, ThinkingBlock):
                    self._blocks[index] = msgspec.structs.replace(block, signature=block.signature + signature)
            case Unknown():
                pass

    def _grow(self, index: int, block: ContentBlock, text: str) -> None:
        """block: what it is where the server did not say that it begins"""
        self._blocks.setdefault(index, block)
        self._pieces.setdefault(index, []).append(text)

    def _closed(self, index: int) -> ContentBlock:
        """A block with its pieces in it."""
        block = self._blocks.get(index, Unknown())
        written = "".join(self._pieces.get(index, ()))
        match block:
            case TextBlock():
                return msgspec.structs.replace(block, text=block.text + written)
            case ThinkingBlock():
                return msgspec.structs.replace(block, thinking=block.thinking + written)
            case ToolUseBlock() if written:
                return _with_input(block, written)
            case _:
                return block

    def result(self) -> MessageAnswer:
        """What the events make together."""
        content = [self._closed(index) for index in sorted(self._blocks)]
        return msgspec.structs.replace(self._message, content=tuple(content))


def _with_input(block: ToolUseBlock, written: str) -> ToolUseBlock:
    try:
        return msgspec.structs.replace(block, input=msgspec.json.decode(written, type=dict[str, Any]))
    except (msgspec.DecodeError, RecursionError) as error:
        return msgspec.structs.replace(block, written=written, error=f"The input is no JSON object: {error}")


def _ended(message: MessageAnswer, delta: StopDelta, usage: MessageUsage) -> MessageAnswer:
    """The message with its end in it; counts that are told twice are the later ones."""
    counts = {name: value for name in usage.__struct_fields__ if (value := getattr(usage, name)) is not None}
    counts["extra"] = {**message.usage.extra, **usage.extra}
    return msgspec.structs.replace(
        message,
        stop_reason=delta.stop_reason or message.stop_reason,
        stop_sequence=delta.stop_sequence or message.stop_sequence,
        usage=msgspec.structs.replace(message.usage, **counts),
    )


def _as_events(message: MessageAnswer) -> list[MessageEvent]:
    """The events that would have made the message."""
    events: list[MessageEvent] = [MessageStart(message=msgspec.structs.replace(message, content=(), stop_reason=""))]
    for index, block in enumerate(message.content):
        start, delta = _taken_apart(block)
        events.append(ContentBlockStart(index=index, content_block=start))
        if delta is not None:
            events.append(ContentBlockDelta(index=index, delta=delta))
        events.append(ContentBlockStop(index=index))
    stop = StopDelta(stop_reason=message.stop_reason, stop_sequence=message.stop_sequence)
    return [*events, MessageDelta(delta=stop, usage=message.usage), MessageStop()]


def _taken_apart(block: ContentBlock) -> tuple[ContentBlock, BlockDelta | None]:
    match block:
        case TextBlock():
            return msgspec.structs.replace(block, text=""), TextDelta(text=block.text)
        case ThinkingBlock():
            return msgspec.structs.replace(block, thinking=""), ThinkingDelta(thinking=block.thinking)
        case ToolUseBlock():
            written = msgspec.json.encode(block.input).decode()
            return msgspec.structs.replace(block, input={}), InputJSONDelta(partial_json=written)
        case Unknown():
            return block, None


_read = reader(MessageAnswer)

MessageStream = EventStream[MessageEvent, MessageAnswer]


def read_message(reply: Reply, body: bytes) -> MessageAnswer:
    """An answer in one piece. Raises the error that it is; StreamBroken when it does not say why it ended."""
    message = _read(reply, body)
    must_be_whole(reply, body, message.stop_reason, message.text)
    return message


class MessagesEndpoint:
    """Answers in the form of Anthropic's API."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def create(
        self, messages: str | Sequence[Message], *, model: str = "", **options: Unpack[MessageOptions]
    ) -> MessageAnswer:
        """The answer in one piece. messages: in Anthropic's form, or what the user says

        Raises LMStudioError; TypeError for an option that does not exist.
        """
        return await ask(self._transport, PATH, _body(messages, model, options, stream=False), read_message)

    def stream(
        self, messages: str | Sequence[Message], *, model: str = "", **options: Unpack[MessageOptions]
    ) -> MessageStream:
        """The answer as it is generated, `MessageStop` last."""
        return MessageStream(self._transport, PATH, _body(messages, model, options, stream=True), MessageAssembly)


def _body(messages: str | Sequence[Message], model: str, options: MessageOptions, *, stream: bool) -> bytes:
    said = [{"role": "user", "content": messages}] if isinstance(messages, str) else list(messages)
    fixed: dict[str, object] = {"model": model or None, "messages": said, "stream": stream}
    if "max_tokens" not in options:
        fixed["max_tokens"] = MAX_TOKENS
    return body_of(fixed, options, MessageOptions)
