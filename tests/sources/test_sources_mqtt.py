import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import aiomqtt
import pytest
from broker import Broker, broker_at, free_port
from certificates import Authority
from hypothesis import given
from hypothesis import strategies as st
from sources_conformance import check_source, first, lines_of

from wakeful.events import Observation
from wakeful.sources import Backoff, MqttSource, SourceBroken, SourceError, SourceForbidden, SourceMissing, supervise
from wakeful.sources.topics import MAX_LINES, Topics


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncGenerator[Broker]:
    async with broker_at(tmp_path) as broker:
        yield broker


class Run:
    """A running source and what it told; it listens once the block begins."""

    def __init__(self, source: MqttSource, publish: Callable[[str], Awaitable[None]]) -> None:
        self.seen: list[Observation] = []
        self._source = source
        self._publish = publish
        self._changed = asyncio.Event()

    async def emit(self, batch: Sequence[Observation]) -> None:
        self.seen += batch
        self._changed.set()

    async def until(self, enough: Callable[[], bool]) -> None:
        async with asyncio.timeout(15):
            while not enough():
                self._changed.clear()
                await self._changed.wait()

    async def listens(self) -> None:
        """Publishes until one message comes back."""
        mark = f"mark {len(self.seen)} {id(self)}"
        async with asyncio.timeout(15):
            while not any(mark in each.text for each in self.seen):
                await self._publish(mark)
                await asyncio.sleep(0.1)


@asynccontextmanager
async def running(source: MqttSource, broker: Broker) -> AsyncGenerator[Run]:
    async def publish(mark: str) -> None:
        await broker.publish(("home/mark", mark))

    run = Run(source, publish)
    backoff = Backoff(first_s=0.05, longest_s=0.1, settled_s=0.3)
    task = asyncio.create_task(supervise(source, resume="", emit=run.emit, backoff=backoff))
    try:
        await run.listens()
        yield run
    finally:
        task.cancel()
        await asyncio.wait([task])


def source_of(url: str, topics: Sequence[str] = ("home/#",), **settings: object) -> MqttSource:
    return MqttSource(url, topics, name="broker", **({"gather_s": 0.05} | settings))  # type: ignore[arg-type]


async def test_it_holds_what_every_source_must(broker: Broker) -> None:
    async def stir(number: int) -> None:
        await broker.publish(("home/x", number))

    await check_source(lambda: source_of(broker.url, gather_s=0.01), stir)


async def test_numbers_json_and_lines(broker: Broker) -> None:
    async with running(source_of(broker.url), broker) as run:
        await broker.publish(
            ("home/kitchen/temperature", "21.5"),
            ("home/door", "ON"),
            ("home/bath", json.dumps({"humidity": 61, "battery": {"level": 90}, "state": "wet", "token": "sesame"})),
            ("home/alarm", "garage door forced"),
            ("home/photo", b"\xff\xd8\x00"),
            ("elsewhere/temperature", "99"),
        )
        await run.until(lambda: any("photo" in each.text for each in run.seen))
    values = {name: value for each in run.seen for name, value in each.values.items()}
    assert values == {
        "temperature:home/kitchen": 21.5,
        "door:home": 1,
        "humidity:home/bath": 61,
        "battery.level:home/bath": 90,
    }
    lines = [line for line in lines_of(run.seen) if "mark" not in line]
    assert lines == ["home/alarm: garage door forced", "home/photo: \ufffd\ufffd\0"]
    assert {each.source for each in run.seen} == {"mqtt:broker"}
    assert any("home/bath humidity 61" in each.text and "state wet" in each.text for each in run.seen)
    assert "sesame" not in str(run.seen)


async def test_topics_with_wildcards(broker: Broker) -> None:
    source = source_of(broker.url, ["home/+/temperature", "home/mark"])
    async with running(source, broker) as run:
        await broker.publish(("home/a/humidity", 1), ("home/a/b/temperature", 2), ("home/a/temperature", 3))
        await run.until(lambda: any(each.values for each in run.seen))
    assert [each.values for each in run.seen if each.values] == [{"temperature:home/a": 3}]


async def test_what_is_retained_is_told_at_once(broker: Broker) -> None:
    await broker.publish(("home/level", 7), retain=True)
    seen = await first(source_of(broker.url))
    assert seen.values == {"level:home": 7}


async def test_it_comes_back_with_its_broker(tmp_path: Path) -> None:
    port = free_port()
    source = source_of(f"mqtt://127.0.0.1:{port}")
    async with broker_at(tmp_path, port=port) as broker:
        async with running(source, broker) as run:
            broker.stop()
            await run.until(lambda: any("failed" in each.text for each in run.seen))
            async with broker_at(tmp_path, port=port):
                await run.listens()
                await run.until(lambda: any("works again" in each.text for each in run.seen))
    failures = [each.text for each in run.seen if "failed" in each.text]
    assert len(failures) == 1
    assert failures[0].startswith("source mqtt:broker failed: the connection to the broker was lost")


async def test_nobody_there_is_a_failure() -> None:
    with pytest.raises(SourceMissing, match="can't be reached"):
        await first(source_of(f"mqtt://127.0.0.1:{free_port()}"))


async def test_what_answers_nothing_is_no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wakeful.sources.mqtt.CONNECT_S", 0.3)

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(SourceBroken, match="was lost"):
            await first(source_of(f"mqtt://127.0.0.1:{port}"))
        with pytest.raises(SourceMissing, match="can't be reached"):
            await first(source_of(f"mqtts://127.0.0.1:{port}"))


async def test_users_and_passwords(tmp_path: Path) -> None:
    passwords = tmp_path / "passwords"
    passwords.write_text("owner:sesame\n")
    subprocess.run(["mosquitto_passwd", "-U", str(passwords)], check=True)  # noqa: ASYNC221
    async with broker_at(tmp_path, settings=f"allow_anonymous false\npassword_file {passwords}") as broker:
        address = broker.url.replace("mqtt://", "mqtt://owner:wrong@")
        for source in (source_of(broker.url), source_of(address), source_of(broker.url, username="owner")):
            with pytest.raises(SourceForbidden, match="refuses the user") as caught:
                await first(source)
            assert "wrong" not in str(caught.value)
        good = source_of(broker.url, username="owner", password="sesame")
        waiting = asyncio.create_task(first(good))
        async with asyncio.timeout(10):
            while not waiting.done():
                client = aiomqtt.Client("127.0.0.1", broker.port, username="owner", password="sesame")
                async with client:
                    await client.publish("home/x", 1, qos=1)
        assert (await waiting).values == {"x:home": 1}


async def test_tls(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    authority.server_context(days=40)
    file = tmp_path / "server-40.pem"
    settings = f"allow_anonymous true\ncertfile {file}\nkeyfile {file}\nretain_available true"
    async with broker_at(tmp_path, settings=settings) as broker:
        url = broker.url.replace("mqtt://", "mqtts://")
        trusting = source_of(url, ["$SYS/#"], ca_file=str(authority.ca_file))
        assert (await first(trusting)).source == "mqtt:broker"
        with pytest.raises(SourceForbidden, match="not trusted"):
            await first(source_of(url, ["$SYS/#"]))
        assert await first(source_of(url, ["$SYS/#"], verify=False))
        with pytest.raises(SourceMissing, match="ca_file"):
            await first(source_of(url, ca_file=str(tmp_path / "none.pem")))


@pytest.mark.parametrize("url", ["http://x", "mqtt://", "x", "mqtt://x:99999", ""])
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(SourceError, match="is none"):
        MqttSource(url, ["#"])


@pytest.mark.parametrize("topic", ["", "a#", "a/#/b", "a+/b", "a\0"])
def test_topics_that_are_none(topic: str) -> None:
    with pytest.raises(SourceError, match="is no topic"):
        MqttSource("mqtt://x", [topic])


def test_without_the_extra_its_name_is_said() -> None:
    code = (
        "import sys; sys.modules['aiomqtt'] = None\n"
        "import asyncio\nfrom wakeful.sources import MqttSource\n"
        "async def main():\n    await anext(MqttSource('mqtt://x', ['#']).observe(''))\n"
        "try:\n    asyncio.run(main())\nexcept Exception as error:\n    print(type(error).__name__, error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("pip install 'wakeful[mqtt]'"), done.stdout + done.stderr


# Sorting


def told(topics: Topics) -> list[Observation]:
    return list(topics.told(1))


def test_a_burst_is_told_together_and_its_last_number_counts() -> None:
    topics = Topics("mqtt:x")
    for value in range(1000):
        topics.add("home/x", str(value).encode())
    [only] = told(topics)
    assert only.values == {"x:home": 999}
    assert not topics.waiting
    assert told(topics) == []


def test_too_many_values_and_lines_are_bounded_and_said() -> None:
    topics = Topics("mqtt:x", most=100)
    for number in range(150):
        topics.add(f"n/{number}", b"1")
    for number in range(MAX_LINES + 10):
        topics.add("log", f"line {number}".encode())
    topics.lose(5)
    seen = told(topics)
    assert sum(len(each.values) for each in seen) == 100
    assert max(len(each.values) for each in seen) <= 64
    assert len(lines_of(seen)) == MAX_LINES
    assert [each.text for each in seen if each.form == "state"] == [
        "15 messages came too fast and were not read: choose fewer topics",
        "there are more than 100 values, of which the first are watched: choose fewer topics",
    ]
    topics.add("n/149", b"1")
    assert told(topics) == []


@given(st.lists(st.tuples(st.text(min_size=1, max_size=10), st.binary(max_size=50)), max_size=20))
def test_any_messages_come_to_valid_observations(messages: list[tuple[str, bytes]]) -> None:
    topics = Topics("mqtt:x")
    for topic, payload in messages:
        topics.add(topic, payload)
    for each in told(topics):
        assert each.text
        assert each.count >= 1
