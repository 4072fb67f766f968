"""What an application holds for its routes: `request.app[MODELS]` and so on."""

from collections.abc import Callable

from aiohttp import web

from wakeful.engine.files.downloads import Downloads
from wakeful.engine.life.models import Models
from wakeful.engine.server.guard import Guard
from wakeful.engine.server.settings import ServerSettings

MODELS: web.AppKey[Models] = web.AppKey("models", Models)
SETTINGS: web.AppKey[ServerSettings] = web.AppKey("settings", ServerSettings)
GUARD: web.AppKey[Guard] = web.AppKey("guard", Guard)
DOWNLOADS: web.AppKey[Downloads] = web.AppKey("downloads", Downloads)
"""Missing where there is no place to download from."""
CLOCK: web.AppKey[Callable[[], float]] = web.AppKey("clock")
"""The time by which answers are dated and conversations grow old, in seconds since the epoch; faults let it jump."""
