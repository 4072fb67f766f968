"""What is kept in mind for the user: listed for all who may see the page, changed by who has the token."""

from collections.abc import Sequence
from typing import Annotated, Any, Protocol

import msgspec
from aiohttp import web

from wakeful.dashboard.person import said
from wakeful.events import Intention, WakefulError
from wakeful.journal import Journal


class Intentions(Protocol):
    """Knows what stands, and what a sentence means. What raises a WakefulError says why it can't be."""

    async def kept(self) -> Sequence[Any]:
        """What stands."""
        ...

    async def meant(self, text: str, key: str = "") -> Intention:
        """What a sentence means; key: the one whose place it would take."""
        ...

    async def take_back(self, key: str) -> Intention:
        """Ends one."""
        ...


class _Word(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """text: in plain words, "" to take `key` back; key: which one it is about, "" for a new one."""

    text: Annotated[str, msgspec.Meta(max_length=500)] = ""
    key: Annotated[str, msgspec.Meta(max_length=40)] = ""


class IntentionRoutes:
    """`GET /api/intentions`, and `POST /api/intentions` with `{"text": …, "key": …}`."""

    def __init__(self, journal: Journal, intentions: Intentions, token: str) -> None:
        self._journal = journal
        self._intentions = intentions
        self._token = token

    def add_to(self, app: web.Application) -> None:
        """Adds the addresses."""
        app.router.add_get("/api/intentions", self.list)
        app.router.add_post("/api/intentions", self.change)

    async def list(self, _: web.Request) -> web.Response:
        """What stands."""
        return web.Response(body=msgspec.json.encode(await self._intentions.kept()), content_type="application/json")

    async def change(self, request: web.Request) -> web.Response:
        """Adds one, puts one in the place of another, or takes one back."""
        example = '{"text": "watch for failed backups", "key": ""}'
        word = await said(request, self._token, _Word, example=example, instead="wakeful intend")
        if not (word.text or word.key):
            raise web.HTTPBadRequest(text=f"Say {example} as JSON.")
        try:
            if not word.text:
                done = await self._intentions.take_back(word.key)
            else:
                done = await self._intentions.meant(word.text, word.key)
                await self._journal.append([done])
        except WakefulError as error:
            raise web.HTTPConflict(text=str(error)) from error
        return web.Response(body=msgspec.json.encode(done), content_type="application/json")
