"""An answer while it is written: from the model itself, or from the page of the mind that writes it."""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from wakeful.cli.runtime import Runtime

OnAnswer = Callable[[str], None]
"""Is called with the answer so far."""

_BEGIN = re.compile(r'"answer"\s*:\s*"')
_HALF_ESCAPE = re.compile(r"(?<!\\)((?:\\\\)*)\\(?:u[0-9a-fA-F]{0,3})?$")
_SHUT = re.compile(r'(?<!\\)(?:\\\\)*"')


def answer_so_far(written: str) -> str:
    """The answer's text in a JSON object that is still being written; "" before it begins."""
    begin = _BEGIN.search(written)
    if begin is None:
        return ""
    text = written[begin.end() :]
    if end := _SHUT.search(text):
        text = text[: end.end() - 1]
    text = _HALF_ESCAPE.sub(r"\1", text)
    with contextlib.suppress(ValueError):
        return str(json.loads(f'"{text}"', strict=False))
    return ""


@asynccontextmanager
async def streamed(running: Runtime | None, token: str, on_answer: OnAnswer) -> AsyncGenerator[None]:
    """While it is open, the answer that the running mind writes is told, as far as its page can be read.

    token: of the page, where it asks for one. The answer itself comes through the journal: a page that is switched off,
    or does not answer, is no error.
    """
    if running is None or not running.page:
        yield
        return
    listening = asyncio.create_task(_listen(running.page, token, on_answer))
    try:
        yield
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


async def _listen(page: str, token: str, on_answer: OnAnswer) -> None:
    import aiohttp

    headers = {"Authorization": f"Bearer {token}"} if token else {}
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=2.0)
    kind = ""
    with contextlib.suppress(aiohttp.ClientError, TimeoutError, ValueError):
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(f"{page}/api/stream", headers=headers) as stream,
        ):
            async for line in stream.content:
                name, _, value = line.decode("utf-8", "replace").rstrip("\r\n").partition(": ")
                if name == "event":
                    kind = value
                elif name == "data" and kind == "partial":
                    told = json.loads(value)
                    if told.get("reason") == "asked" and (answer := answer_so_far(told.get("text", ""))):
                        on_answer(answer)
