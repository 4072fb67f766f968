"""Which model thinks: LM Studio's when it answers, else the built-in engine's."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from wakeful.config import Settings
from wakeful.events import WakefulError
from wakeful.lmstudio import AsyncLMStudioClient, LMStudioError, Model, ServerUnreachable
from wakeful.mind import ModelFacts, Thinker

CONNECT_HINT = "Start LM Studio's server and load a model, or set LMSTUDIO_URL; then start Wakeful again."
OnNews = Callable[[str], None]


@asynccontextmanager
async def connected(settings: Settings, on_news: OnNews) -> AsyncIterator[Thinker]:
    """The model that thinks, once there is one.

    on_news: is told, in words for a person, what is being waited for
    """
    async with _reached(settings, on_news) as (client, server):
        yield await _thinker(client, server, settings, on_news)
