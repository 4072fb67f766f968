"""Tools of MCP servers: programs of others, over standard input and output or over HTTP, under the same policy.

What a server says of its tools is data: it is shortened, shown as the server's own words, and decides nothing. A server
is not let ask the model or the user (sampling, elicitation): it only answers.
"""

import asyncio
import contextlib
import hashlib
import os
import re
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, cast

import msgspec

from wakeful.actions.arguments import bounded, written
from wakeful.actions.clean import plain
from wakeful.actions.errors import ActionError, ArgumentsWrong, ExtraMissing, ToolFailed
from wakeful.actions.tool import Call, Tool
from wakeful.events import Health
from wakeful.journal import Journal

MAX_TOOLS = 100
_CONNECT_S = 30.0
_LOOK_AGAIN_S = 300.0
_FIRST_PAUSE_S, _MAX_PAUSE_S = 1.0, 300.0
_NAME = re.compile(r"[A-Za-z0-9-]{1,24}")
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]")


@dataclass(frozen=True, slots=True)
class McpServer:
    """One server: a program's argument list (`run`), or an address (`url`).

    env: added to a bare environment; headers: sent along, over HTTP; tools: patterns of the names that are taken
    """

    name: str
    run: Sequence[str] = ()
    url: str = ""
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    tools: Sequence[str] = ("*",)
    timeout_s: float = 60.0


class McpTools:
    """Stays connected to one server while it runs, and has its tools.

    tried: is set when it has connected, or failed to, for the first time
    Raises ActionError for a server that can't be, ExtraMissing where the package `mcp` is not installed.
    """

    def __init__(self, server: McpServer, journal: Journal, *, now_ns: Callable[[], int] = time.time_ns) -> None:
        if not _NAME.fullmatch(server.name):
            raise ActionError(f"{server.name!r} is no name for an MCP server.", hint="Use letters, digits and -.")
        if bool(server.run) == bool(server.url):
            raise ActionError(f"The MCP server {server.name} needs either `run` or `url`.")
        try:
            import mcp.client  # pyright: ignore[reportUnusedImport]  # noqa: F401
        except ImportError as error:
            raise ExtraMissing(f"The MCP server {server.name}", "mcp") from error
        self.tools: tuple[Tool, ...] = ()
        self.tried = asyncio.Event()
        self._server = server
        self._journal = journal
        self._now_ns = now_ns
        self._client: Any = None
        self._look = asyncio.Event()
        self._state = ""
        self._marks: dict[str, str] = {}

    async def run(self) -> None:
        """Connects, and again whenever the server is gone; cancel to stop."""
        pause_s = _FIRST_PAUSE_S
        self._marks = msgspec.json.decode(await self._journal.load_state(self._place) or b"{}", type=dict[str, str])
        while True:
            began_s = asyncio.get_running_loop().time()
            try:
                await self._while_connected()
                error = "it ended"
            except Exception as failed:  # a fence around somebody else's server
                error = _said(failed)
            finally:
                self._client, self.tools = None, ()
            await self._tell("down", error)
            if asyncio.get_running_loop().time() - began_s > _MAX_PAUSE_S:
                pause_s = _FIRST_PAUSE_S
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _MAX_PAUSE_S)

    @property
    def _place(self) -> str:
        """The name under which the marks of its tools' definitions are kept."""
        return f"mcp:{self._server.name}"

    async def _while_connected(self) -> None:
        async with contextlib.AsyncExitStack() as stack:
            async with asyncio.timeout(_CONNECT_S):
                client = await stack.enter_async_context(self._connected())
                self.tools = await self._listed(client)
            self._client = client
            await self._tell("up", f"{len(self.tools)} tools")
            while True:
                self._look.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_AGAIN_S):
                        await self._look.wait()
                async with asyncio.timeout(_CONNECT_S):
                    self.tools = await self._listed(client)  # raises where the server is gone

    @contextlib.asynccontextmanager
    async def _connected(self) -> AsyncGenerator[Any]:
        from mcp.client import Client

        async with self._transport() as transport:
            client = Client(
                transport, read_timeout_seconds=self._server.timeout_s, message_handler=self._on_message, cache=None
            )
            async with client:
                yield client

    @contextlib.asynccontextmanager
    async def _transport(self) -> AsyncGenerator[Any]:
        from mcp.client.stdio import StdioServerParameters, stdio_client
        from mcp.client.streamable_http import streamable_http_client

        server = self._server
        if server.run:
            # what it says on standard error is nothing for our terminal
            with open(os.devnull, "w", encoding="utf-8") as nowhere:  # noqa: ASYNC230 (it never waits)
                program = StdioServerParameters(command=server.run[0], args=list(server.run[1:]), env=dict(server.env))
                yield stdio_client(program, errlog=nowhere)
            return
        import httpx2

        limit = httpx2.Timeout(server.timeout_s, connect=10.0)
        # redirects are not followed: they would take the headers elsewhere
        async with httpx2.AsyncClient(headers=dict(server.headers), timeout=limit, follow_redirects=False) as client:
            yield streamable_http_client(server.url, http_client=client)

    async def _on_message(self, message: Any) -> None:
        """A server that says that its tools have changed is asked for them."""
        if "ToolListChanged" in type(message).__name__:
            self._look.set()

    async def _listed(self, client: Any) -> tuple[Tool, ...]:
        found: dict[str, Tool] = {}
        cursor: str | None = None
        while len(found) < MAX_TOOLS:
            page = await client.list_tools(cursor=cursor)
            for each in page.tools:
                if any(fnmatchcase(each.name, pattern) for pattern in self._server.tools):
                    with contextlib.suppress(ArgumentsWrong):  # one whose arguments can't be checked is not taken
                        tool = self._tool(each)
                        found.setdefault(tool.name, tool)
            cursor = page.next_cursor
            if not cursor:
                break
        await self._journal.save_state(self._place, msgspec.json.encode(self._marks))
        return tuple(found.values())[:MAX_TOOLS]

    def _tool(self, theirs: Any) -> Tool:
        name = theirs.name
        definition = written({"name": name, "description": theirs.description, "schema": theirs.input_schema})
        mark = hashlib.sha256(definition.encode()).hexdigest()[:8]

        async def run(call: Call) -> str:
            self._marks[name] = mark  # where it had changed, a person has just said yes to what it is now
            return await self._call(name, call.arguments)

        return Tool(
            name=_NOT_IN_NAMES.sub("_", f"mcp_{self._server.name}_{name}")[:64],
            description=plain(theirs.description or ""),
            run=run,
            parameters=bounded(theirs.input_schema),
            risk="outside",
            # with a mark of its definition: an approval does not hold for a tool that became another one meanwhile
            show=lambda given: f"the tool {name!r} ({mark}) of the MCP server {self._server.name}: {written(given)}",
            timeout_s=self._server.timeout_s,
            changed=self._marks.setdefault(name, mark) != mark,
        )

    async def _call(self, name: str, arguments: Mapping[str, Any]) -> str:
        client = self._client
        if client is None:
            raise ToolFailed(f"The MCP server {self._server.name} is not connected.")
        await self._journal.save_state(self._place, msgspec.json.encode(self._marks))
        try:
            result = await client.call_tool(name, dict(arguments))
        except Exception as failed:  # a fence around somebody else's server
            self._look.set()
            raise ToolFailed(f"The MCP server {self._server.name} failed: {_said(failed)}") from failed
        text = "\n".join(_text(each) for each in result.content)
        if not text and result.structured_content is not None:
            text = written(result.structured_content)
        if result.is_error:
            raise ToolFailed(text or "it failed without a word")
        return text

    async def _tell(self, state: Any, text: str) -> None:
        """Journals that the server is there or gone, once each time."""
        self.tried.set()
        if state != self._state:
            self._state = state
            part = f"mcp:{self._server.name}"
            await self._journal.append([Health(at_ns=self._now_ns(), part=part, state=state, text=text[:300])])


def _text(content: Any) -> str:
    return content.text if content.type == "text" else f"({content.type}, not shown)"


def _said(error: BaseException) -> str:
    """What is behind an error, of a group the first one."""
    while isinstance(error, BaseExceptionGroup):
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    return plain(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)[:300]
