"""The user's word on what was told; journaled alike from the page and from the terminal."""

import asyncio
import time
from typing import Annotated

import msgspec
from aiohttp import web

from wakeful.events import Entry, Feedback, Notification, Observation, Salience, Thought
from wakeful.journal import Journal

ADDRESS = "/api/feedback"
"""Where the page posts it."""

_BODY_S = 5.0  # in which a post must have arrived


class NothingToJudge(ValueError):
    """There is no such entry, or none that rests on an observation."""


async def give_feedback(journal: Journal, about: int, *, useful: bool) -> Feedback:
    """Journals whether knowing the entry `about` was useful; attention learns from it, at once where a mind runs.

    Raises NothingToJudge where there is nothing to learn from it, and JournalError.
    """
    [entry] = await journal.get([about]) or [None]
    if entry is None:
        raise NothingToJudge(f"there is no entry #{about}")
    sources = await _sources(journal, entry)
    if not sources:
        raise NothingToJudge(f"#{about} rests on no observation, so that there is nothing to learn from")
    word = Feedback(at_ns=time.time_ns(), about=about, useful=useful, sources=sources)
    await journal.append([word])
    return word


class Judging:
    """Takes the page's posts: `{"about": 1234, "useful": true}`."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def add_to(self, app: web.Application) -> None:
        """Adds the address."""
        app.router.add_post(ADDRESS, self.answer)

    async def answer(self, request: web.Request) -> web.Response:
        """One post. Only JSON is taken, which a page elsewhere can't send without asking first."""
        if request.content_type != "application/json":
            raise web.HTTPUnsupportedMediaType(text="Send it as application/json.")
        try:
            async with asyncio.timeout(_BODY_S):
                body = await request.read()
            said = msgspec.json.decode(body, type=_Said)
            word = await give_feedback(self._journal, said.about, useful=said.useful)
        except msgspec.DecodeError as error:
            raise web.HTTPBadRequest(text=f"Say about (the number of an entry) and useful: {error}.") from error
        except TimeoutError as error:
            raise web.HTTPRequestTimeout(text=f"It did not arrive within {_BODY_S:g} s.") from error
        except NothingToJudge as error:
            raise web.HTTPNotFound(text=f"{error}.") from error
        return web.json_response({"about": word.about, "useful": word.useful, "sources": word.sources})


class _Said(msgspec.Struct, frozen=True):
    about: Annotated[int, msgspec.Meta(ge=0, le=2**53)]
    useful: bool


async def _sources(journal: Journal, entry: Entry) -> tuple[str, ...]:
    """Whose observations an entry rests on."""
    event = entry.event
    if isinstance(event, Observation | Salience):
        return (event.source,)
    if not isinstance(event, Thought | Notification):
        return ()
    behind = await journal.get(event.evidence)
    return tuple(sorted({each.event.source for each in behind if isinstance(each.event, Observation)}))
