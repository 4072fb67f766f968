"""What the tests of the client share."""

import asyncio
import gc
import socket
import sys
import threading
from collections.abc import AsyncIterator

import psutil
import pytest


@pytest.fixture
def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


@pytest.fixture
async def nothing_is_left() -> AsyncIterator[None]:
    """No task, no thread, no socket nor other file of ours survives a test."""
    process = psutil.Process()
    await asyncio.to_thread(int)  # the loop's own helper thread stays
    before = (process.num_fds(), _threads()) if sys.platform != "win32" else (0, _threads())
    yield
    gc.collect()
    for _ in range(5):
        await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert (process.num_fds() if sys.platform != "win32" else 0, _threads()) == before


def _threads() -> set[str]:
    return {thread.name for thread in threading.enumerate() if not thread.name.startswith("asyncio_")}
