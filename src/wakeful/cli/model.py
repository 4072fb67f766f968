"""Which model thinks: LM Studio's when it answers, else the built-in engine's."""

import asyncio
import importlib.util
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from wakeful.config import Settings
from wakeful.lmstudio import AsyncLMStudioClient, LMStudioError, Timeouts, choose_model
from wakeful.mind import ModelFacts, Thinker

OnNews = Callable[[str], None]
"""Is told, in words for a person, what is being waited for."""

LM_STUDIO, BUILT_IN = "LM Studio", "built-in engine"

PILOT_NOTE = (
    "This is the pilot model that ships with Wakeful: it is small and knows little. For a real one, start LM Studio, "
    "load a model, and start Wakeful again."
)

_PILOT_NAME = "wakeful-pilot"
_ASSUMED_CONTEXT = 4096  # the smallest that LM Studio loads a model with by default
_MAX_WAIT_S = 30.0


@asynccontextmanager
async def connected(settings: Settings, on_news: OnNews, *, running_url: str = "") -> AsyncIterator[Thinker]:
    """The model that thinks, as soon as there is one; waits for it as long as it takes.

    running_url: the built-in engine of a mind that runs already, "" for none
    Raises EngineError when the built-in engine is wanted and can't run.
    """
    url = settings.model.url
    if settings.model.use == "builtin" or (settings.model.use == "auto" and not await _answers(settings, url)):
        if running_url:
            async with _client(settings, running_url) as client:
                yield await _thinker(client, BUILT_IN, settings, on_news)
            return
        if settings.model.use == "builtin" or engine_installed():
            async with _engine(settings, on_news) as client:
                yield await _thinker(client, BUILT_IN, settings, on_news)
            return
        on_news(f"Nobody answers at {url}, and the built-in engine is not installed (pip install 'wakeful[engine]').")
    async with _client(settings, url) as client:
        yield await _thinker(client, LM_STUDIO, settings, on_news)


@asynccontextmanager
async def _engine(settings: Settings, on_news: OnNews) -> AsyncIterator[AsyncLMStudioClient]:
    from wakeful.engine import Engine, choose_model_file

    file = choose_model_file(Path(settings.model.gguf).expanduser() if settings.model.gguf else None)
    on_news(f"Starting the built-in engine with {file.name}.")
    async with Engine(
        file,
        context_tokens=settings.model.context_tokens or None,
        threads=settings.model.threads or None,
        on_event=on_news,
    ) as engine:
        async with _client(settings, engine.base_url) as client:
            yield client


async def _thinker(client: AsyncLMStudioClient, server: str, settings: Settings, on_news: OnNews) -> Thinker:
    """Waits until the server has a model to think with."""
    pause_s = 1.0
    told = ""
    while True:
        try:
            model = await client.loaded_model(settings.model.name if server == LM_STUDIO else "")
            break
        except LMStudioError as error:
            if str(error) != told:
                told = str(error)
                on_news(f"Waiting for a model: {told}")
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, _MAX_WAIT_S)
    facts = ModelFacts(
        name=model.id,
        context_tokens=settings.model.context_tokens or model.context_length or _ASSUMED_CONTEXT,
        server=server,
        base_url=client.base_url,
        pilot=_PILOT_NAME in model.id.casefold() or "pilot.gguf" in model.id,
    )
    answer_tokens = min(settings.thinking.max_answer_tokens, facts.context_tokens // 3)
    return Thinker(client, facts, answer_tokens=answer_tokens, temperature=settings.thinking.temperature)


def _client(settings: Settings, url: str) -> AsyncLMStudioClient:
    timeouts = Timeouts(first_token_s=settings.model.timeout_s)
    return AsyncLMStudioClient(url, api_token=settings.model.api_token or None, timeouts=timeouts)


async def _answers(settings: Settings, url: str) -> bool:
    async with _client(settings, url) as client:
        return (await client.health()).ok


def engine_installed() -> bool:
    """Whether the extra `engine` is there."""
    return importlib.util.find_spec("xllamacpp") is not None
