"""`/v1/completions`: a text carried on, for base models; no chat template is laid around it."""

from collections.abc import Sequence
from typing import Any, Unpack

import msgspec

from wakeful.lmstudio.chat.events import Usage, UsageEvent
from wakeful.lmstudio.endpoints.answers import Record, ask, reader, to_record
from wakeful.lmstudio.endpoints.sampling import MAX_TOKENS, Sampling, body_of
from wakeful.lmstudio.endpoints.streams import Assembly, EventStream
from wakeful.lmstudio.errors import StreamBroken
from wakeful.lmstudio.http.transport import Reply, Transport, unreadable

PATH = "/v1/completions"


class TokenUsage(Record, frozen=True, kw_only=True):
    """Tokens of one request; None where the server does not say."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None


class CompletionStats(Record, frozen=True, kw_only=True):
    """What an answer took, as LM Studio tells it: seconds, and tokens a second. None where it does not.

    stop_reason: finer than the finish reason, such as `eosFound` or `maxPredictedTokensReached`
    draft_model: the smaller one that guessed ahead, and how many of its tokens were taken
    """

    tokens_per_second: float | None = None
    time_to_first_token_s: float | None = msgspec.field(default=None, name="time_to_first_token")
    generation_time_s: float | None = msgspec.field(default=None, name="generation_time")
    stop_reason: str = ""
    draft_model: str = ""
    total_draft_tokens_count: int | None = None
    accepted_draft_tokens_count: int | None = None
    rejected_draft_tokens_count: int | None = None
    ignored_draft_tokens_count: int | None = None


class TextChoice(Record, frozen=True, kw_only=True):
    """One way to carry the text on. finish_reason: `stop`, or `length`: cut off."""

    index: int = 0
    text: str = ""
    finish_reason: str = ""
    logprobs: Any = None


class TextCompletion(Record, frozen=True, kw_only=True):
    """A whole answer. model: the one that gave it, which need not be the one that was asked."""

    id: str = ""
    model: str = ""
    choices: tuple[TextChoice, ...] = ()
    usage: TokenUsage = TokenUsage()
    stats: CompletionStats = CompletionStats()

    @property
    def text(self) -> str:
        """The first choice's text."""
        return self.choices[0].text if self.choices else ""

    @property
    def finish_reason(self) -> str:
        """The first choice's."""
        return self.choices[0].finish_reason if self.choices else ""


class TextDelta(msgspec.Struct, frozen=True, gc=False):
    """The next piece of a choice's text."""

    text: str
    index: int = 0


class ChoiceFinished(msgspec.Struct, frozen=True, gc=False):
    """A choice has come to its end."""

    finish_reason: str
    index: int = 0


CompletionEvent = TextDelta | ChoiceFinished | UsageEvent


class CompletionOptions(Sampling, total=False):
    """The options of one request. max_tokens: of the answer; 1,024 unless given."""

    max_tokens: int


class CompletionAssembly(Assembly[CompletionEvent, TextCompletion]):
    """Takes in the chunks of one answer."""

    def __init__(self) -> None:
        super().__init__()
        self._pieces: dict[int, list[str]] = {0: self._texts}
        self._finished: dict[int, TextChoice] = {}
        self._head = TextCompletion()

    def take(self, fields: dict[str, Any]) -> Sequence[CompletionEvent]:
        """The pieces, ends and counts that a chunk has."""
        chunk: TextCompletion = to_record(fields, TextCompletion)
        self._head = _merged(self._head, chunk)
        events: list[CompletionEvent] = []
        for choice in chunk.choices:
            if choice.text:
                self.began = True
                self._pieces.setdefault(choice.index, []).append(choice.text)
                events.append(TextDelta(choice.text, choice.index))
            if choice.finish_reason:
                self.began = True
                self._finished[choice.index] = choice
                events.append(ChoiceFinished(choice.finish_reason, choice.index))
        begun = {index for index, pieces in self._pieces.items() if pieces}
        self.complete = bool(self._finished) and begun <= self._finished.keys()
        if "usage" in fields and chunk.usage != TokenUsage():
            events.append(UsageEvent(Usage(chunk.usage.prompt_tokens, chunk.usage.completion_tokens)))
        return events

    def take_whole(self, reply: Reply, body: bytes) -> Sequence[CompletionEvent]:
        """The same for an answer in one piece. Raises StreamBroken when it has no finish reason."""
        read_whole(reply, body)
        self.done = True
        return self.take(msgspec.json.decode(body))

    def result(self) -> TextCompletion:
        """What the chunks make together."""
        choices = [
            msgspec.structs.replace(choice, text="".join(self._pieces.get(index, ())))
            for index, choice in sorted(self._finished.items())
        ]
        return msgspec.structs.replace(self._head, choices=tuple(choices))


def _merged(head: TextCompletion, chunk: TextCompletion) -> TextCompletion:
    """What is said beside the choices, the newest word of each."""
    return msgspec.structs.replace(
        head,
        id=chunk.id or head.id,
        model=chunk.model or head.model,
        usage=head.usage if chunk.usage == TokenUsage() else chunk.usage,
        stats=head.stats if chunk.stats == CompletionStats() else chunk.stats,
        extra={**head.extra, **chunk.extra},
    )


def read_whole(reply: Reply, body: bytes) -> TextCompletion:
    """An answer in one piece. Raises the error that it is; StreamBroken when it has no finish reason."""
    answer = _read(reply, body)
    must_be_whole(reply, body, answer.finish_reason, answer.text)
    return answer


def must_be_whole(reply: Reply, body: bytes, finish_reason: str, text: str) -> None:
    """Raise the error for an answer that does not say how it ended."""
    if finish_reason:
        return
    if not text:
        raise unreadable(reply, body)
    raise StreamBroken(
        "The answer has no finish reason: it was cut off.", status_code=reply.status, stage="whole", partial=text
    )


_read = reader(TextCompletion)

CompletionStream = EventStream[CompletionEvent, TextCompletion]


class CompletionsEndpoint:
    """Texts carried on."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def create(self, prompt: str, *, model: str = "", **options: Unpack[CompletionOptions]) -> TextCompletion:
        """The answer in one piece. Raises LMStudioError; TypeError for an option that does not exist."""
        return await ask(self._transport, PATH, completion_body(prompt, model, options, stream=False), read_whole)

    def stream(self, prompt: str, *, model: str = "", **options: Unpack[CompletionOptions]) -> CompletionStream:
        """The answer as it is generated, piece by piece."""
        body = completion_body(prompt, model, options, stream=True)
        return CompletionStream(self._transport, PATH, body, CompletionAssembly)


def completion_body(prompt: str, model: str, options: CompletionOptions, *, stream: bool) -> bytes:
    """The request as JSON."""
    fixed: dict[str, object] = {"model": model or None, "prompt": prompt, "stream": stream}
    if stream:
        fixed["stream_options"] = {"include_usage": True}
    if "max_tokens" not in options:
        fixed["max_tokens"] = MAX_TOKENS
    return body_of(fixed, options, CompletionOptions)
