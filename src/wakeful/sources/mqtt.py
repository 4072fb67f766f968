"""What is published to an MQTT broker: sensors, switches, and whatever else speaks there."""

import asyncio
import contextlib
import logging
import ssl
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, asynccontextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from wakeful.events import Observation
from wakeful.sources.errors import SourceBroken, SourceError, SourceForbidden, SourceMissing
from wakeful.sources.produce import Put, first_error, produced_by
from wakeful.sources.source import Clock
from wakeful.sources.topics import MAX_PAYLOAD_BYTES, Topics

if TYPE_CHECKING:
    import aiomqtt

GATHER_S = 1.0
"""Messages of so long a time are told together."""

MAX_QUEUED = 2000
"""Messages between the broker and us; there is no way to hold a broker back, so what comes beyond is lost, and said."""

CONNECT_S = 5.0
LEAVE_S = 1.0
_PORTS = {"mqtt": 1883, "mqtts": 8883}
_log = logging.getLogger(__name__)


class MqttSource:
    """The topics of one broker.

    url: mqtt:// or mqtts:// (with TLS), with the port where it is not the usual one
    topics: with the wildcards + and #, such as `home/+/temperature`
    name: how the broker is called, "" for its host; observations are named `mqtt:NAME`
    username, password: never said; they may also stand in the url
    verify, ca_file: whether a certificate has to be valid, and who vouches for it ("" for the system's)

    A payload that is a number becomes a value, named by the topic: `temperature:home/kitchen`. JSON becomes its
    numbers; anything else is a line. It needs the extra `mqtt`.
    """

    def __init__(
        self,
        url: str,
        topics: Sequence[str],
        *,
        name: str = "",
        username: str = "",
        password: str = "",
        verify: bool = True,
        ca_file: str = "",
        gather_s: float = GATHER_S,
        now_ns: Clock = time.time_ns,
    ) -> None:
        hint = "It looks like mqtt://broker, mqtts://broker:8883."
        try:
            parts = urlsplit(url.strip())
            self._port = parts.port or _PORTS[parts.scheme]
        except (ValueError, KeyError) as error:
            raise SourceError("the url of an MQTT broker is none", hint=hint) from error
        if not parts.hostname:
            raise SourceError("the url of an MQTT broker is none", hint=hint)
        if bad := [topic for topic in topics if not _is_filter(topic)]:
            raise SourceError(f"{bad[0]!r} is no topic", hint="+ and # stand for whole levels, # for the last ones.")
        self._host = parts.hostname
        self._tls = parts.scheme == "mqtts"
        self._topics = tuple(topics)
        self.name = f"mqtt:{name or self._host}"
        self._username = username or unquote(parts.username or "")
        self._password = password or unquote(parts.password or "")
        self._verify = verify
        self._ca_file = ca_file
        self._gather_s = gather_s
        self._now_ns = now_ns

    async def observe(self, resume: str) -> AsyncGenerator[Observation, None]:
        """What is published from now on; raises SourceError when the broker is away. Nothing can be resumed."""
        library = await asyncio.to_thread(_library)
        topics = Topics(self.name)

        async def work(put: Put) -> None:
            try:
                await self._follow(library, topics, put)
            except* library.MqttError as group:
                raise _translated(first_error(group)) from group

        async with aclosing(produced_by(work)) as stream:
            async for observation in stream:
                yield observation

    async def _follow(self, library: ModuleType, topics: Topics, put: Put) -> None:
        context = await self.reach()
        client: aiomqtt.Client = library.Client(
            self._host,
            self._port,
            username=self._username or None,
            password=self._password or None,
            tls_context=context,
            timeout=CONNECT_S,
            max_queued_incoming_messages=MAX_QUEUED,
            queue_type=_queue_type(topics),
            logger=_log,
        )
        async with _connected(client), asyncio.TaskGroup() as group:
            await client.subscribe([(topic, 1) for topic in self._topics])
            telling = group.create_task(self._tell(topics, put))
            try:
                async for message in client.messages:
                    topics.add(message.topic.value, _bytes(message.payload))
            finally:
                telling.cancel()

    async def reach(self) -> ssl.SSLContext | None:
        """Makes sure that the broker is there and trusted; raises SourceError otherwise. None: without TLS.

        The library connects in a thread, which can't be broken off: so it is only let to where somebody answers.
        """
        context = await asyncio.to_thread(self._context) if self._tls else None
        try:
            async with asyncio.timeout(CONNECT_S):
                _, writer = await asyncio.open_connection(self._host, self._port, ssl=context)
            writer.transport.abort()
        except ssl.SSLCertVerificationError as error:
            why = f"the broker's certificate is not trusted: {error.verify_message}"
            raise SourceForbidden(why, hint="Name its authority in `ca_file`.") from error
        except ssl.SSLError as error:
            raise SourceBroken("the broker does not speak TLS there", hint="Is it mqtt:// rather?") from error
        except (OSError, TimeoutError) as error:
            raise SourceMissing("the broker can't be reached", hint="Check the url, and whether it runs.") from error
        return context

    async def _tell(self, topics: Topics, put: Put) -> None:
        while True:
            await asyncio.sleep(self._gather_s)
            if topics.waiting:
                for observation in topics.told(self._now_ns()):
                    await put(observation)

    def _context(self) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=self._ca_file or None)
        except OSError as error:
            raise SourceMissing("its ca_file can't be read", hint="Name a file of certificates in PEM.") from error
        if not self._verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


@asynccontextmanager
async def _connected(client: "aiomqtt.Client") -> AsyncGenerator[None]:
    """A connection that is made whole before it is broken off: half made, the library leaves it open."""
    connecting = asyncio.ensure_future(client.__aenter__())
    try:
        await asyncio.shield(connecting)
        yield
    finally:
        done, _ = await asyncio.wait([connecting], timeout=LEAVE_S)
        if not done:
            connecting.cancel()
        elif connecting.exception() is None:
            leaving = asyncio.ensure_future(client.__aexit__(None, None, None))
            await asyncio.wait([leaving], timeout=LEAVE_S)
            leaving.cancel()
            await asyncio.gather(leaving, return_exceptions=True)  # what fails here was about to end anyway
        _close(client)


def _close(client: "aiomqtt.Client") -> None:
    """Closes what the library leaves open where nobody answered or the end was not acknowledged."""
    inner, misc = getattr(client, "_client", None), getattr(client, "_misc_task", None)
    if misc is not None:
        misc.cancel()
    sock = inner.socket() if inner is not None else None
    if sock is not None and sock.fileno() >= 0:
        asyncio.get_running_loop().remove_reader(sock.fileno())
        asyncio.get_running_loop().remove_writer(sock.fileno())
        sock.close()


def _queue_type(topics: Topics) -> type["asyncio.Queue[aiomqtt.Message]"]:
    """A queue that cuts what it takes, and counts what it has no room for."""

    class Bounded(asyncio.Queue["aiomqtt.Message"]):
        def put_nowait(self, item: "aiomqtt.Message") -> None:
            item.payload = _bytes(item.payload)[:MAX_PAYLOAD_BYTES]
            if self.full():
                topics.lose(1)
            else:
                super().put_nowait(item)

    return Bounded


def _library() -> ModuleType:
    with contextlib.suppress(ModuleNotFoundError):
        import aiomqtt

        return aiomqtt
    raise SourceMissing("the extra mqtt is not installed", hint="Install it with: pip install 'wakeful[mqtt]'")


def _bytes(payload: Any) -> bytes:
    return bytes(payload) if isinstance(payload, bytes | bytearray) else str(payload or "").encode()


def _is_filter(topic: str) -> bool:
    """MQTT 3.1.1, section 4.7.1: wildcards stand alone in their level, # in the last one."""
    levels = topic.split("/")
    alone = all(level in ("+", "#") or not set(level) & {"+", "#"} for level in levels)
    return bool(topic) and alone and "#" not in levels[:-1] and "\0" not in topic


def _translated(error: BaseException) -> SourceError:
    said = " ".join(str(error).split())
    if "uthori" in said or "ad user name" in said:  # "Not authorized", "Bad user name or password"
        return SourceForbidden("the broker refuses the user", hint="Check `username` and `password`.")
    return SourceBroken(f"the connection to the broker was lost ({said[:100]})")
