"""Several LM Studio hosts behind one door."""

import asyncio
import hashlib
import math
from collections import OrderedDict
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, Unpack

import msgspec

from wakeful.lmstudio.chat.events import ChatEvent, ChatResult, Message
from wakeful.lmstudio.chat.request import ChatOptions
from wakeful.lmstudio.errors import (
    LMStudioError,
    ModelNotFound,
    ModelStateError,
    ServerBusy,
    ServerError,
    ServerTooSlow,
    ServerUnreachable,
    StreamBroken,
)
from wakeful.lmstudio.http.retry import never_begun

if TYPE_CHECKING:
    from wakeful.lmstudio.client import AsyncLMStudioClient

_REST_S = 5.0
"""How long a host that failed is left alone, doubled with each further failure."""

_LONGEST_REST_S = 120.0
_OF_THE_HOST = (ServerUnreachable, ServerTooSlow, StreamBroken, ServerError, ServerBusy, ModelStateError)
"""Errors that speak against the host and not against the request."""

_CONVERSATIONS = 1000
"""Conversations whose host is remembered; the ones that were not heard of for longest are forgotten."""


@dataclass(frozen=True, slots=True)
class HostState:
    """How a host is. under_way: requests there; failures: in a row; rests_s: seconds that it is left alone yet."""

    base_url: str
    under_way: int
    failures: int
    rests_s: float


class _Host:
    def __init__(self, client: "AsyncLMStudioClient") -> None:
        self.client = client
        self.under_way = 0
        self.failures = 0
        self.until_s = 0.0
        self.failed_s = -math.inf
        self.served = 0

    def failed(self, started_s: float, now_s: float) -> None:
        if started_s < self.failed_s:
            return  # it went out before the last failure was known: all of one moment count once
        self.failed_s = now_s
        self.failures += 1
        self.until_s = now_s + min(_LONGEST_REST_S, _REST_S * 2.0 ** (self.failures - 1))

    def did_well(self) -> None:
        self.failures = 0
        self.until_s = 0.0


class Pool:
    """Several clients as one: `chat` and `stream` as of each.

    A conversation stays on the host that has its beginning in the prefix cache, as long as that host is well; a
    new one goes to the host with the least under way. What fails before any of the answer was told, and without a
    chance that the server is working on it, goes to the next host. Health is learnt from requests alone: nothing
    is polled.
    clients: closed with the pool; with `retry=NO_RETRY` the next host is tried at once
    """

    def __init__(self, clients: "Sequence[AsyncLMStudioClient]") -> None:
        if not clients:
            raise ValueError("a pool needs at least one client")
        self._hosts = [_Host(client) for client in clients]
        self._homes: OrderedDict[bytes, _Host] = OrderedDict()

    @property
    def hosts(self) -> list[HostState]:
        """How each host is, in the order in which they were given."""
        now_s = asyncio.get_running_loop().time()
        return [
            HostState(host.client.base_url, host.under_way, host.failures, max(0.0, host.until_s - now_s))
            for host in self._hosts
        ]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all clients."""
        for host in self._hosts:
            await host.client.close()

    async def chat(
        self, messages: str | Sequence[Message], *, conversation: str = "", **options: Unpack[ChatOptions]
    ) -> ChatResult:
        """The answer in one piece. conversation: what it belongs to; "" tells it by its first messages.

        Raises the error of the last host that was tried.
        """
        home = _home_of(messages, conversation)
        tried: list[_Host] = []
        while True:
            host = self._choose(home, tried)
            host.under_way += 1
            started_s = asyncio.get_running_loop().time()
            try:
                result = await host.client.chat(messages, **options)
            except LMStudioError as error:
                self._take_in(host, error, started_s)
                tried.append(host)
                if len(tried) == len(self._hosts) or not _may_go_elsewhere(error):
                    raise
            else:
                self._settle(home, host)
                return result
            finally:
                host.under_way -= 1

    async def stream(
        self, messages: str | Sequence[Message], *, conversation: str = "", **options: Unpack[ChatOptions]
    ) -> AsyncGenerator[ChatEvent, None]:
        """The events of the answer, `Finished` last; use it with `aclosing` when it may be left early."""
        home = _home_of(messages, conversation)
        tried: list[_Host] = []
        while True:
            host = self._choose(home, tried)
            host.under_way += 1
            started_s = asyncio.get_running_loop().time()
            told = False
            try:
                async with host.client.stream(messages, **options) as stream:
                    async for event in stream:
                        told = True
                        yield event
            except LMStudioError as error:
                self._take_in(host, error, started_s)
                tried.append(host)
                if told or len(tried) == len(self._hosts) or not _may_go_elsewhere(error):
                    raise
            else:
                self._settle(home, host)
                return
            finally:
                host.under_way -= 1

    def _choose(self, home: bytes, tried: Sequence[_Host]) -> _Host:
        now_s = asyncio.get_running_loop().time()
        left = [host for host in self._hosts if host not in tried]
        # a host that is due again is asked by one request first
        well = [host for host in left if host.until_s <= now_s and not (host.failures and host.under_way)]
        known = self._homes.get(home)
        if known is not None and known in well:
            return known
        # all of them rest: the one that is due first is asked all the same, rather than nobody
        return min(well or left, key=lambda host: (max(0.0, host.until_s - now_s), host.under_way, host.served))

    def _settle(self, home: bytes, host: _Host) -> None:
        host.did_well()
        host.served += 1
        self._homes[home] = host
        self._homes.move_to_end(home)
        while len(self._homes) > _CONVERSATIONS:
            self._homes.popitem(last=False)

    @staticmethod
    def _take_in(host: _Host, error: LMStudioError, started_s: float) -> None:
        if isinstance(error, _OF_THE_HOST):
            host.failed(started_s, asyncio.get_running_loop().time())


def _may_go_elsewhere(error: LMStudioError) -> bool:
    """Whether another host may do better, and this one has not begun or can't go on."""
    return never_begun(error) or isinstance(error, ModelNotFound | ModelStateError)


def _home_of(messages: str | Sequence[Message], conversation: str) -> bytes:
    """What a conversation is known by: its name, or its messages up to the first one by the user."""
    if conversation:
        return b"n" + conversation.encode()
    if isinstance(messages, str):
        return b"m" + hashlib.blake2b(messages.encode(), digest_size=16).digest()
    beginning: list[Mapping[str, Any]] = []
    for message in messages:
        beginning.append(message)
        if message.get("role") == "user":
            break
    return b"m" + hashlib.blake2b(msgspec.json.encode(beginning), digest_size=16).digest()
