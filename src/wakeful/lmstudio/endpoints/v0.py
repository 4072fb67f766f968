"""`/api/v0`: LM Studio's older interface, which gives statistics, the model's make-up and its runtime with answers.

Streams lack all of that, so that none is offered here: `AsyncLMStudioClient.stream` is the same without them.
"""

from collections.abc import Sequence
from typing import Unpack
from urllib.parse import quote

from wakeful.lmstudio.chat.events import Message
from wakeful.lmstudio.chat.request import ChatOptions, chat_body
from wakeful.lmstudio.endpoints.answers import Record, ask, reader
from wakeful.lmstudio.endpoints.completions import (
    CompletionOptions,
    CompletionStats,
    TextCompletion,
    TokenUsage,
    completion_body,
    must_be_whole,
)
from wakeful.lmstudio.endpoints.embeddings import EmbeddingsEndpoint
from wakeful.lmstudio.errors import ModelNotFound, RouteMissing
from wakeful.lmstudio.http.transport import Reply, Transport

ROOT = "/api/v0"


class V0Model(Record, frozen=True, kw_only=True):
    """A model that is there. state: `loaded`, `not-loaded`; type: `llm`, `vlm` (sees images), `embeddings`.

    max_context_length: tokens that it can take; loaded_context_length: that it was loaded with, None unless it is
    """

    id: str = ""
    type: str = ""
    publisher: str = ""
    arch: str = ""
    compatibility_type: str = ""
    quantization: str = ""
    state: str = ""
    max_context_length: int | None = None
    loaded_context_length: int | None = None
    capabilities: tuple[str, ...] = ()


class ModelInfo(Record, frozen=True, kw_only=True):
    """The make-up of the model that answered. context_length: in tokens."""

    arch: str = ""
    quant: str = ""
    format: str = ""
    context_length: int | None = None


class Runtime(Record, frozen=True, kw_only=True):
    """What ran it."""

    name: str = ""
    version: str = ""
    supported_formats: tuple[str, ...] = ()


class V0Completion(TextCompletion, frozen=True, kw_only=True):
    """A text carried on, and by what."""

    model_info: ModelInfo = ModelInfo()
    runtime: Runtime = Runtime()


class V0Function(Record, frozen=True, kw_only=True):
    """What is to be called. arguments: JSON text."""

    name: str = ""
    arguments: str = ""


class V0ToolCall(Record, frozen=True, kw_only=True):
    """A call that the model asks for."""

    id: str = ""
    type: str = ""
    function: V0Function = V0Function()


class V0Message(Record, frozen=True, kw_only=True):
    """What the model said."""

    role: str = ""
    content: str = ""
    reasoning_content: str = ""
    tool_calls: tuple[V0ToolCall, ...] = ()


class V0Choice(Record, frozen=True, kw_only=True):
    """The answer. finish_reason: `stop`, `tool_calls`, or `length`: cut off."""

    index: int = 0
    message: V0Message = V0Message()
    finish_reason: str = ""


class V0Chat(Record, frozen=True, kw_only=True):
    """A whole answer, what it took, and by what."""

    id: str = ""
    model: str = ""
    choices: tuple[V0Choice, ...] = ()
    usage: TokenUsage = TokenUsage()
    stats: CompletionStats = CompletionStats()
    model_info: ModelInfo = ModelInfo()
    runtime: Runtime = Runtime()

    @property
    def text(self) -> str:
        """The answer itself."""
        return self.choices[0].message.content if self.choices else ""


class _Models(Record, frozen=True, kw_only=True):
    data: tuple[V0Model, ...] | None = None


class V0Endpoints:
    """LM Studio's older interface. embeddings: as `EmbeddingsEndpoint`, at its older address."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.embeddings = EmbeddingsEndpoint(transport, path=f"{ROOT}/embeddings")

    async def models(self) -> tuple[V0Model, ...]:
        """All models that are downloaded or loaded. Raises LMStudioError; RouteMissing from other servers."""
        limit_s = self._transport.timeouts.other_s
        models = await ask(self._transport, f"{ROOT}/models", None, reader(_Models), method="GET", limit_s=limit_s)
        if models.data is None:
            raise RouteMissing("The server's answer is no list of models.")
        return models.data

    async def model(self, model_id: str) -> V0Model:
        """One model. Raises ModelNotFound."""
        try:
            model = await ask(
                self._transport,
                f"{ROOT}/models/{quote(model_id, safe='/@:')}",
                None,
                reader(V0Model),
                method="GET",
                limit_s=self._transport.timeouts.other_s,
            )
            if model.id == model_id:
                return model
        except (RouteMissing, ModelNotFound):
            pass  # ids with a slash are no path to every server: the list knows
        for model in await self.models():
            if model.id == model_id:
                return model
        raise ModelNotFound(f"The server has no model {model_id!r}.")

    async def chat(self, messages: str | Sequence[Message], **options: Unpack[ChatOptions]) -> V0Chat:
        """The answer in one piece.

        Raises LMStudioError; TypeError for an option that does not exist, and for `limit_s`, which needs a stream.
        """
        if options.get("limit_s") is not None:
            raise TypeError("limit_s needs a stream, which has no statistics")
        body = chat_body(messages, options, stream=False)
        return await ask(self._transport, f"{ROOT}/chat/completions", body, _read_chat)

    async def complete(self, prompt: str, *, model: str = "", **options: Unpack[CompletionOptions]) -> V0Completion:
        """A text carried on, in one piece. Raises LMStudioError; TypeError for an option that does not exist."""
        body = completion_body(prompt, model, options, stream=False)
        return await ask(self._transport, f"{ROOT}/completions", body, _read_completion)


def _read_chat(reply: Reply, body: bytes) -> V0Chat:
    answer = reader(V0Chat)(reply, body)
    must_be_whole(reply, body, answer.choices[0].finish_reason if answer.choices else "", answer.text)
    return answer


def _read_completion(reply: Reply, body: bytes) -> V0Completion:
    answer = reader(V0Completion)(reply, body)
    must_be_whole(reply, body, answer.finish_reason, answer.text)
    return answer
