"""The names that users of the described client expect: completions as requests and responses, and two functions."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from wakeful.lmstudio.chat.events import Message
from wakeful.lmstudio.errors import LMStudioError, MalformedAnswer
from wakeful.lmstudio.http.attempts import Attempts
from wakeful.lmstudio.http.classify import shorten
from wakeful.lmstudio.http.wire import as_list, as_object
from wakeful.lmstudio.models.listing import Model

if TYPE_CHECKING:
    from wakeful.lmstudio.client import AsyncLMStudioClient

_CHAT_PATH = "/v1/chat/completions"
_TEXT_PATH = "/v1/completions"


class CompletionRequest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is asked: either a `prompt` to go on from, or `messages` of a conversation.

    model: "" for whichever is loaded
    temperature, max_tokens, top_p, stop: None leaves them to the server
    stream: must stay False; `AsyncLMStudioClient.stream` gives an answer piece by piece
    extra: further fields of the request, which win over all others
    """

    model: str = ""
    prompt: str | None = None
    messages: Sequence[Message] | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    top_p: float | None = None
    stop: str | Sequence[str] | None = None
    stream: bool = False
    extra: dict[str, Any] = {}


class CompletionChoice(msgspec.Struct, frozen=True, kw_only=True):
    """One answer. text: of it, whichever way it was asked for; message: as it came, {} of a text completion."""

    index: int = 0
    text: str = ""
    finish_reason: str = ""
    message: dict[str, Any] = {}
    extra: dict[str, Any] = {}


class CompletionUsage(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens of one request; None where the server does not say."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    extra: dict[str, Any] = {}


class CompletionResponse(msgspec.Struct, frozen=True, kw_only=True):
    """What came back. created: seconds since the epoch; model: the one that answered."""

    id: str = ""
    created: int = 0
    model: str = ""
    choices: tuple[CompletionChoice, ...] = ()
    usage: CompletionUsage = CompletionUsage()
    extra: dict[str, Any] = {}

    @property
    def text(self) -> str:
        """The first answer's text."""
        return self.choices[0].text if self.choices else ""


def completion_body(request: CompletionRequest) -> tuple[str, dict[str, Any]]:
    """The path and the body that ask for it. Raises ValueError when it can't be asked so."""
    if (request.prompt is None) == (request.messages is None):
        raise ValueError("a CompletionRequest has either a prompt or messages")
    if request.stream:
        raise ValueError("create_completion gives the answer in one piece: use AsyncLMStudioClient.stream")
    body: dict[str, Any] = msgspec.to_builtins(request)
    extra = body.pop("extra", {})
    return _TEXT_PATH if request.messages is None else _CHAT_PATH, {**body, **extra}


def read_completion(data: Any) -> CompletionResponse:
    """The response that a server's answer holds. Raises MalformedAnswer when there is none in it."""
    fields = as_object(data)
    choices = as_list(fields.get("choices"))
    if not choices:
        raise MalformedAnswer("The answer has no choices.", detail=shorten(str(data)))
    return CompletionResponse(
        id=_text(fields.get("id")),
        created=_count(fields.get("created")) or 0,
        model=_text(fields.get("model")),
        choices=tuple(_choice(as_object(choice)) for choice in choices),
        usage=_usage(as_object(fields.get("usage"))),
        extra=_others(fields, "id", "created", "model", "choices", "usage"),
    )


async def create_completion(client: "AsyncLMStudioClient", request: CompletionRequest) -> CompletionResponse:
    """The answer in one piece, retried as the client's `RetryConfig` says. Raises LMStudioError, ValueError."""
    path, body = completion_body(request)
    transport = client.transport
    attempts = Attempts(transport)
    while True:
        try:
            data = await transport.json("POST", path, body, limit_s=transport.timeouts.whole_s)
            return read_completion(data)
        except LMStudioError as error:
            if not await attempts.again(error):
                raise


async def create_completion_simple(client: "AsyncLMStudioClient", model: str, prompt: str, **parameters: Any) -> str:
    """The text that follows a prompt. parameters: of a CompletionRequest; what it lacks goes along as it is."""
    known = {name: parameters.pop(name) for name in list(parameters) if name in CompletionRequest.__struct_fields__}
    extra = {**parameters, **known.pop("extra", {})}
    request = CompletionRequest(model=model, prompt=prompt, extra=extra, **known)
    return (await create_completion(client, request)).text


async def health_check(client: "AsyncLMStudioClient") -> bool:
    """Whether a model server answers; `AsyncLMStudioClient.health` says what is wrong if not."""
    return (await client.health()).ok


async def wait_for_connection(client: "AsyncLMStudioClient", limit_s: float | None = None) -> None:
    """Return once the server answers. limit_s: give up after so long by raising the last error; None: never."""
    await client.wait_until_up(limit_s=limit_s)


def list_models(base_url: str | None = None) -> list[Model]:
    """What the server offers, for a program without an event loop. Raises LMStudioError."""
    from wakeful.lmstudio.sync import LMStudioClient  # it imports what imports this module

    with LMStudioClient(base_url) as client:
        return client.list_models()


def complete(prompt: str, *, model: str = "", base_url: str | None = None, **options: Any) -> str:
    """The answer to a prompt, as a chat of one message. options: as of `AsyncLMStudioClient.chat`.

    For a program without an event loop. Raises LMStudioError, TypeError for an option that there is not.
    """
    from wakeful.lmstudio.sync import LMStudioClient  # it imports what imports this module

    with LMStudioClient(base_url) as client:
        return client.chat(prompt, model=model, **options).text


def _choice(fields: dict[str, Any]) -> CompletionChoice:
    message = as_object(fields.get("message"))
    return CompletionChoice(
        index=_count(fields.get("index")) or 0,
        text=_text(message.get("content")) if message else _text(fields.get("text")),
        finish_reason=_text(fields.get("finish_reason")),
        message=message,
        extra=_others(fields, "index", "text", "finish_reason", "message"),
    )


def _usage(fields: dict[str, Any]) -> CompletionUsage:
    known = ("prompt_tokens", "completion_tokens", "total_tokens")
    return CompletionUsage(**{name: _count(fields.get(name)) for name in known}, extra=_others(fields, *known))


def _others(fields: dict[str, Any], *known: str) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name not in known}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
