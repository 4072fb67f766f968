import asyncio
import hashlib
import hmac
import json
from collections.abc import Sequence
from contextlib import aclosing

import pytest
from posted import ALERTMANAGER, KUMA_DOWN
from sources_conformance import check_source, opened

from wakeful.events import Observation
from wakeful.sources import SourceError, WebhookSource, supervise

TOKEN = "a-token-of-sixteen"
AS_JSON = {"content-type": "application/json"}


def source_of(keep_s: float = 10.0) -> WebhookSource:
    return WebhookSource("kuma", TOKEN, keep_s=keep_s)


async def test_it_holds_what_every_source_must() -> None:
    made: list[WebhookSource] = []

    def make() -> WebhookSource:
        made.append(source_of(keep_s=0.01))
        return made[-1]

    async def post(_: int) -> None:
        await made[-1].deliver(json.dumps(KUMA_DOWN).encode(), AS_JSON)

    await check_source(make, post)


class Store:
    """A journal that is held up when told to."""

    def __init__(self, source: WebhookSource) -> None:
        self.texts: list[str] = []
        self.goes = asyncio.Event()
        self.goes.set()
        self.asked = asyncio.Event()
        self.task = asyncio.create_task(supervise(source, resume="", emit=self.emit))

    async def emit(self, batch: Sequence[Observation]) -> None:
        self.asked.set()
        await self.goes.wait()
        self.texts += [each.text for each in batch]
        self.last = batch[-1]

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])


async def test_a_post_is_acknowledged_once_it_is_journaled() -> None:
    source = source_of()
    store = Store(source)
    store.goes.clear()
    posting = asyncio.create_task(source.deliver(json.dumps(ALERTMANAGER).encode(), AS_JSON))
    await store.asked.wait()
    assert not posting.done()
    assert store.texts == []
    store.goes.set()
    assert await posting == "kept"
    assert len(store.texts) == 2
    await store.stop()


async def test_a_journal_that_takes_long_is_said() -> None:
    source = source_of(keep_s=0.3)
    store = Store(source)
    store.goes.clear()
    assert await source.deliver(b'{"msg": "one"}', AS_JSON) == "late"
    store.goes.set()
    assert await source.deliver(b'{"msg": "two"}', AS_JSON) == "kept"
    assert store.texts == ["one", "two"]  # the first was on its way: kept at least once
    await store.stop()


async def test_what_nobody_read_is_taken_back() -> None:
    source = source_of(keep_s=0.01)
    assert await source.deliver(b'{"msg": "one"}', AS_JSON) == "late"
    async with aclosing(opened(source)) as stream:
        waiting = asyncio.create_task(anext(stream))
        posting = asyncio.create_task(source.deliver(b'{"msg": "two"}', AS_JSON))
        assert (await waiting).text == "two"
        await posting


async def test_too_many_are_turned_away() -> None:
    source = source_of(keep_s=5)
    posting = [asyncio.create_task(source.deliver(b'{"msg": "x"}', AS_JSON)) for _ in range(150)]
    done, _ = await asyncio.wait(posting, return_when=asyncio.FIRST_COMPLETED)
    assert {await each for each in done} == {"full"}
    assert len(done) == 50
    assert source.full
    store = Store(source)
    assert [await each for each in posting].count("kept") == 100
    assert len(store.texts) == 100
    assert not source.full
    await store.stop()


@pytest.mark.parametrize(
    ("body", "kind", "text"),
    [
        (b'{"msg": "hello"}', "application/json; charset=utf-8", "hello"),
        (b'{"msg": "hello"}', "", "hello"),
        (b"just words\n", "text/plain", "just words"),
        (b"payload=%7B%22msg%22%3A%20%22hello%22%7D", "application/x-www-form-urlencoded", "hello"),
        (b"title=hello&level=3", "application/x-www-form-urlencoded", "hello (level 3)"),
    ],
)
async def test_kinds_of_bodies(body: bytes, kind: str, text: str) -> None:
    source = source_of()
    store = Store(source)
    assert await source.deliver(body, {"content-type": kind}) == "kept"
    assert store.texts == [text]
    await store.stop()


@pytest.mark.parametrize(
    ("body", "kind"), [(b"{", ""), (b"\xff", "text/plain"), (b"payload={", "application/x-www-form-urlencoded")]
)
async def test_bodies_that_are_none(body: bytes, kind: str) -> None:
    assert await source_of().deliver(body, {"content-type": kind}) == "unreadable"


async def test_names_that_a_sender_makes_up_do_not_pile_up() -> None:
    source = source_of()
    store = Store(source)
    for number in range(20):
        body = json.dumps({f"n{number}_{each}": 1 for each in range(50)} | {"load": 1}).encode()
        assert await source.deliver(body, AS_JSON) == "kept"
    assert len(source._names) == 500
    assert set(store.last.values) == {"load"} & source._names
    await store.stop()


def test_tokens_and_signatures() -> None:
    source = source_of()
    assert source.allows(TOKEN)
    assert not source.allows(TOKEN[:-1])
    assert not source.allows("")
    assert not source.allows("\udcff")
    signature = "sha256=" + hmac.new(TOKEN.encode(), b"body", hashlib.sha256).hexdigest()
    assert source.signed(b"body", signature)
    assert not source.signed(b"other", signature)
    assert not source.signed(b"body", "sha256=")


@pytest.mark.parametrize(("name", "token"), [("", TOKEN), ("a/b", TOKEN), ("x y", TOKEN), ("ok", "short")])
def test_names_and_tokens_that_do_not_do(name: str, token: str) -> None:
    with pytest.raises(SourceError):
        WebhookSource(name, token)


async def test_a_source_that_fails_when_told_harms_nobody() -> None:
    class Faulty(WebhookSource):
        def stored(self, batch: Sequence[Observation]) -> None:
            raise RuntimeError(f"{len(batch)} too many")

    source = Faulty("x", TOKEN, keep_s=0.2)
    store = Store(source)
    assert await source.deliver(b'{"msg": "one"}', AS_JSON) == "late"
    assert await source.deliver(b'{"msg": "two"}', AS_JSON) == "late"
    assert store.texts == ["one", "two"]
    await store.stop()
