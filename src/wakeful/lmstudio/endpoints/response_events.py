"""What does `/v1/responses` send: answers, their parts, and the named events of its streams?

Source: developers.openai.com/api/reference (objects and events of responses). LM Studio leaves some out, and adds
none that we know of; what is not here comes as `Unknown`.
"""

from typing import Any

from wakeful.lmstudio.endpoints.answers import Record, Tagged, Unknown


class OutputText(Tagged, frozen=True, kw_only=True, tag="output_text"):
    """Text of an answer. logprobs: of its tokens, where they were asked for."""

    text: str = ""
    annotations: tuple[Any, ...] = ()
    logprobs: tuple[Any, ...] | None = None


class Refusal(Tagged, frozen=True, kw_only=True, tag="refusal"):
    """The model's words for why it does not answer."""

    refusal: str = ""


class ReasoningText(Tagged, frozen=True, kw_only=True, tag="reasoning_text"):
    """Text of what the model thought."""

    text: str = ""


class SummaryText(Tagged, frozen=True, kw_only=True, tag="summary_text"):
    """A summary of what the model thought."""

    text: str = ""


ContentPart = OutputText | Refusal | ReasoningText | SummaryText | Unknown


class _Item(Tagged, frozen=True, kw_only=True):
    id: str = ""
    status: str = ""


class OutputMessage(_Item, frozen=True, kw_only=True, tag="message"):
    """A part of the answer itself."""

    role: str = "assistant"
    content: tuple[ContentPart, ...] = ()


class Reasoning(_Item, frozen=True, kw_only=True, tag="reasoning"):
    """What the model thought."""

    content: tuple[ContentPart, ...] = ()
    summary: tuple[ContentPart, ...] = ()


class FunctionCall(_Item, frozen=True, kw_only=True, tag="function_call"):
    """A function that the caller is asked to call; its result goes into `function_call_output` with the `call_id`.

    arguments: JSON text
    """

    call_id: str = ""
    name: str = ""
    arguments: str = ""


class MCPCall(_Item, frozen=True, kw_only=True, tag="mcp_call"):
    """A tool that the server called. arguments: JSON text; error: what went wrong, None for nothing."""

    server_label: str = ""
    name: str = ""
    arguments: str = ""
    output: Any = None
    error: Any = None


ResponseItem = OutputMessage | Reasoning | FunctionCall | MCPCall | Unknown


class InputDetails(Record, frozen=True, kw_only=True):
    """Of the tokens that were read. cached_tokens: did not have to be read again."""

    cached_tokens: int | None = None


class OutputDetails(Record, frozen=True, kw_only=True):
    """Of the tokens that were written."""

    reasoning_tokens: int | None = None


class ResponseUsage(Record, frozen=True, kw_only=True):
    """Tokens of one request; None where the server does not say."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    input_tokens_details: InputDetails = InputDetails()
    output_tokens_details: OutputDetails = OutputDetails()


class Incomplete(Record, frozen=True, kw_only=True):
    """Why an answer is not whole, such as `max_output_tokens`."""

    reason: str = ""


class Response(Record, frozen=True, kw_only=True):
    """An answer. status: `completed`, `incomplete`, `in_progress`, `failed` …; id: to go on from.

    error: as the server told it, None for none; extra: everything that the server repeats of the request too
    """

    id: str = ""
    status: str = ""
    model: str = ""
    output: tuple[ResponseItem, ...] = ()
    usage: ResponseUsage = ResponseUsage()
    previous_response_id: str | None = None
    incomplete_details: Incomplete | None = None
    error: Any = None

    @property
    def text(self) -> str:
        """The answer itself."""
        return "".join(
            part.text
            for item in self.output
            if isinstance(item, OutputMessage)
            for part in item.content
            if isinstance(part, OutputText)
        )

    @property
    def reasoning(self) -> str:
        """What the model thought."""
        return "".join(
            part.text
            for item in self.output
            if isinstance(item, Reasoning)
            for part in item.content or item.summary
            if isinstance(part, ReasoningText | SummaryText)
        )

    @property
    def function_calls(self) -> tuple[FunctionCall, ...]:
        """The functions that the caller is asked to call."""
        return tuple(item for item in self.output if isinstance(item, FunctionCall))


class _Event(Tagged, frozen=True, kw_only=True):
    sequence_number: int | None = None


class _OfResponse(_Event, frozen=True, kw_only=True):
    response: Response = Response()


class ResponseCreated(_OfResponse, frozen=True, kw_only=True, tag="response.created"):
    """The request was taken; the answer's id is known."""


class ResponseQueued(_OfResponse, frozen=True, kw_only=True, tag="response.queued"):
    """Others come first."""


class ResponseInProgress(_OfResponse, frozen=True, kw_only=True, tag="response.in_progress"):
    """The server works on it."""


class ResponseCompleted(_OfResponse, frozen=True, kw_only=True, tag="response.completed"):
    """The answer is whole; the last event."""


class ResponseIncomplete(_OfResponse, frozen=True, kw_only=True, tag="response.incomplete"):
    """The answer was cut off, see `incomplete_details`; the last event."""


class ResponseFailed(_OfResponse, frozen=True, kw_only=True, tag="response.failed"):
    """The server failed; iterating raises this as an error instead of giving it."""


class _OfItem(_Event, frozen=True, kw_only=True):
    output_index: int = 0
    item: ResponseItem = Unknown()


class OutputItemAdded(_OfItem, frozen=True, kw_only=True, tag="response.output_item.added"):
    """A part of the answer begins."""


class OutputItemDone(_OfItem, frozen=True, kw_only=True, tag="response.output_item.done"):
    """A part of the answer is whole: a `FunctionCall` in it can be made."""


class _InItem(_Event, frozen=True, kw_only=True):
    item_id: str = ""
    output_index: int = 0
    content_index: int = 0


class ContentPartAdded(_InItem, frozen=True, kw_only=True, tag="response.content_part.added"):
    """A text begins."""

    part: ContentPart = Unknown()


class ContentPartDone(_InItem, frozen=True, kw_only=True, tag="response.content_part.done"):
    """A text is whole."""

    part: ContentPart = Unknown()


class OutputTextDelta(_InItem, frozen=True, kw_only=True, tag="response.output_text.delta"):
    """The next piece of the answer itself."""

    delta: str = ""
    logprobs: tuple[Any, ...] | None = None


class OutputTextDone(_InItem, frozen=True, kw_only=True, tag="response.output_text.done"):
    """The whole text."""

    text: str = ""
    logprobs: tuple[Any, ...] | None = None


class RefusalDelta(_InItem, frozen=True, kw_only=True, tag="response.refusal.delta"):
    """The next piece of why the model does not answer."""

    delta: str = ""


class RefusalDone(_InItem, frozen=True, kw_only=True, tag="response.refusal.done"):
    """All of why the model does not answer."""

    refusal: str = ""


class ReasoningTextDelta(_InItem, frozen=True, kw_only=True, tag="response.reasoning_text.delta"):
    """The next piece of what the model thinks."""

    delta: str = ""


class ReasoningTextDone(_InItem, frozen=True, kw_only=True, tag="response.reasoning_text.done"):
    """All that it thought."""

    text: str = ""


class ReasoningSummaryDelta(_InItem, frozen=True, kw_only=True, tag="response.reasoning_summary_text.delta"):
    """The next piece of a summary of it."""

    summary_index: int = 0
    delta: str = ""


class ReasoningSummaryDone(_InItem, frozen=True, kw_only=True, tag="response.reasoning_summary_text.done"):
    """The whole summary."""

    summary_index: int = 0
    text: str = ""


class ArgumentsDelta(_InItem, frozen=True, kw_only=True, tag="response.function_call_arguments.delta"):
    """The next piece of the JSON of a call's arguments."""

    delta: str = ""


class ArgumentsDone(_InItem, frozen=True, kw_only=True, tag="response.function_call_arguments.done"):
    """All of it."""

    name: str = ""
    arguments: str = ""


class MCPArgumentsDelta(_InItem, frozen=True, kw_only=True, tag="response.mcp_call_arguments.delta"):
    """The next piece of the JSON of a server-side call's arguments."""

    delta: str = ""


class MCPArgumentsDone(_InItem, frozen=True, kw_only=True, tag="response.mcp_call_arguments.done"):
    """All of it."""

    arguments: str = ""


class MCPCallInProgress(_InItem, frozen=True, kw_only=True, tag="response.mcp_call.in_progress"):
    """The server calls a tool."""


class MCPCallCompleted(_InItem, frozen=True, kw_only=True, tag="response.mcp_call.completed"):
    """The tool has answered."""


class MCPCallFailed(_InItem, frozen=True, kw_only=True, tag="response.mcp_call.failed"):
    """The tool has failed; the model goes on all the same."""


ResponseEvent = (
    ResponseCreated
    | ResponseQueued
    | ResponseInProgress
    | ResponseCompleted
    | ResponseIncomplete
    | ResponseFailed
    | OutputItemAdded
    | OutputItemDone
    | ContentPartAdded
    | ContentPartDone
    | OutputTextDelta
    | OutputTextDone
    | RefusalDelta
    | RefusalDone
    | ReasoningTextDelta
    | ReasoningTextDone
    | ReasoningSummaryDelta
    | ReasoningSummaryDone
    | ArgumentsDelta
    | ArgumentsDone
    | MCPArgumentsDelta
    | MCPArgumentsDone
    | MCPCallInProgress
    | MCPCallCompleted
    | MCPCallFailed
    | Unknown
)
