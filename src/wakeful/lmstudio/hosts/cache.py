"""Answers that were given before to exactly the same question. Opt-in, in memory, bounded."""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Unpack

import msgspec

from wakeful.lmstudio.chat.events import ChatResult, Message
from wakeful.lmstudio.chat.request import CanChat, ChatOptions, chat_body

MAX_BYTES = 32 * 1024 * 1024
MAX_AGE_S = 3600.0


@dataclass(frozen=True, slots=True)
class CacheCounts:
    """hits: answers from memory; misses: from the model; evicted: dropped for room or age; bytes: held now."""

    hits: int = 0
    misses: int = 0
    evicted: int = 0
    bytes: int = 0


class ResponseCache:
    """A client that remembers answers: `chat` as of the client that it stands before.

    instance: what else tells models apart, such as a server's address or the loaded instance's id
    max_bytes, max_age_s: the oldest and the least used are dropped beyond
    any_temperature: keep answers also where chance has a say; else only those at temperature 0
    now_s: a monotonic clock, for tests
    Only whole answers are kept. Equal questions that are asked at the same time are asked once.
    """

    def __init__(
        self,
        client: CanChat,
        *,
        instance: str = "",
        max_bytes: int = MAX_BYTES,
        max_age_s: float = MAX_AGE_S,
        any_temperature: bool = False,
        now_s: Callable[[], float] | None = None,
    ) -> None:
        self._client = client
        self._instance = instance
        self._max_bytes = max_bytes
        self._max_age_s = max_age_s
        self._any_temperature = any_temperature
        self._now_s = now_s
        self._kept: OrderedDict[bytes, tuple[float, int, ChatResult]] = OrderedDict()
        self._asking: dict[bytes, asyncio.Future[ChatResult | None]] = {}
        self._era = 0  # counts how often it was cleared
        self._hits = self._misses = self._evicted = self._bytes = 0

    @property
    def counts(self) -> CacheCounts:
        """What it was good for so far."""
        return CacheCounts(self._hits, self._misses, self._evicted, self._bytes)

    def clear(self) -> None:
        """Forget all answers, for example when the model was changed."""
        self._kept.clear()
        self._bytes = 0
        self._era += 1

    async def chat(self, messages: str | Sequence[Message], **options: Unpack[ChatOptions]) -> ChatResult:
        """The answer, from memory if it is there. Raises what the client raises; errors are not kept."""
        if not self._any_temperature and options.get("temperature") != 0:
            self._misses += 1
            return await self._client.chat(messages, **options)
        key = self._key(messages, options)
        if (found := self._find(key)) is not None:
            self._hits += 1
            return found
        if (asking := self._asking.get(key)) is not None:
            # whoever asks the same meanwhile waits for the first one's answer, and asks itself if that is none to keep
            try:
                async with asyncio.timeout(options.get("limit_s")):
                    shared = await asyncio.shield(asking)
            except TimeoutError:
                return ChatResult("", interrupted="deadline")
            if shared is not None:
                self._hits += 1
                return shared
            return await self._ask(key, messages, options)
        asking = self._asking[key] = asyncio.get_running_loop().create_future()
        try:
            result = await self._ask(key, messages, options)
            asking.set_result(result if _is_whole(result) else None)
            return result
        finally:
            del self._asking[key]
            if not asking.done():
                asking.set_result(None)

    async def _ask(self, key: bytes, messages: str | Sequence[Message], options: ChatOptions) -> ChatResult:
        self._misses += 1
        era = self._era
        result = await self._client.chat(messages, **options)
        if _is_whole(result) and era == self._era:
            self._keep(key, result)
        return result

    def _key(self, messages: str | Sequence[Message], options: ChatOptions) -> bytes:
        body = chat_body(messages, options, stream=False)  # all that the server gets to see
        return hashlib.blake2b(self._instance.encode() + b"\0" + body, digest_size=20).digest()

    def _time(self) -> float:
        return self._now_s() if self._now_s is not None else asyncio.get_running_loop().time()

    def _find(self, key: bytes) -> ChatResult | None:
        entry = self._kept.get(key)
        if entry is None:
            return None
        if self._time() - entry[0] > self._max_age_s:
            self._drop(key)
            return None
        self._kept.move_to_end(key)
        return entry[2]

    def _keep(self, key: bytes, result: ChatResult) -> None:
        size = len(msgspec.json.encode(result)) + 200  # and what the entry itself takes, roughly
        if size > self._max_bytes:
            return
        if key in self._kept:
            self._drop(key)
        self._kept[key] = (self._time(), size, result)
        self._bytes += size
        while self._bytes > self._max_bytes:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: bytes) -> None:
        self._bytes -= self._kept.pop(key)[1]
        self._evicted += 1


def _is_whole(result: ChatResult) -> bool:
    return result.finish_reason == "stop" and not result.interrupted and not result.prompt_shortfall
