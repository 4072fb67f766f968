"""A real broker: Debian's mosquitto, started for a test on a free port of this machine."""

import asyncio
import shutil
import socket
import subprocess
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import aiomqtt
import pytest


def program() -> str:
    found = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin") or shutil.which("mosquitto")
    if found is None:
        pytest.skip("needs Debian's package mosquitto")
    return found


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


class Broker:
    """A running mosquitto."""

    def __init__(self, folder: Path, *, settings: str = "allow_anonymous true", port: int = 0) -> None:
        self.port = port or free_port()
        file = folder / f"mosquitto-{self.port}.conf"
        user = "user root\n"  # or it would give up its rights to the folder of the test
        file.write_text(f"listener {self.port} 127.0.0.1\n{user}{settings}\n")
        command = [program(), "-c", str(file)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    async def listening(self) -> None:
        async with asyncio.timeout(10):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                except OSError:
                    await asyncio.sleep(0.02)
                else:
                    writer.close()
                    return

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()

    async def publish(self, *messages: tuple[str, str | bytes | float], retain: bool = False) -> None:
        async with aiomqtt.Client("127.0.0.1", self.port) as client:
            for topic, payload in messages:
                await client.publish(topic, payload, qos=1, retain=retain)


@asynccontextmanager
async def broker_at(folder: Path, *, settings: str = "allow_anonymous true", port: int = 0) -> AsyncGenerator[Broker]:
    broker = Broker(folder, settings=settings, port=port)
    try:
        await broker.listening()
        yield broker
    finally:
        broker.stop()
