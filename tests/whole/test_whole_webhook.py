"""What was acknowledged to a sender is in the journal, however the mind ends."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest

from wakeful.events import Observation
from wakeful.journal import Journal

TOKEN = "0123456789abcdef"
CONFIG = f"""
[model]
use = "lmstudio"
url = "http://127.0.0.1:9"
[page]
port = 0
[[source]]
kind = "webhook"
name = "k"
token = "{TOKEN}"
"""
SENDERS, ENOUGH = 20, 150


def start(home: Path, output: Path) -> subprocess.Popen[bytes]:
    with output.open("wb") as opened:
        return subprocess.Popen(
            [sys.executable, "-m", "wakeful.cli", "run"],
            cwd=home,
            env=os.environ | {"WAKEFUL_HOME": str(home), "XDG_CONFIG_HOME": str(home)},
            stdout=opened,
            stderr=opened,
            stdin=subprocess.DEVNULL,
        )


async def address(output: Path) -> str:
    async with asyncio.timeout(40):
        while not (found := re.search(r"webhook +(\S+)", await asyncio.to_thread(output.read_text))):
            await asyncio.sleep(0.05)
    return found[1]


async def post_until_it_breaks_off(http: aiohttp.ClientSession, url: str, name: str, kept: list[str]) -> None:
    number = 0
    while True:
        number += 1
        try:
            async with http.post(
                url, json={"msg": f"{name}-{number}"}, headers={"Authorization": f"Bearer {TOKEN}"}
            ) as response:
                if response.status == 200:
                    kept.append(f"{name}-{number}")
        except aiohttp.ClientError:
            return


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
async def test_killed_amid_posts_what_was_acknowledged_is_kept(tmp_path: Path) -> None:
    (tmp_path / "wakeful.toml").write_text(CONFIG)
    kept: list[str] = []
    for life in range(2):
        output = tmp_path / f"output-{life}.txt"
        child = start(tmp_path, output)
        before = len(kept)
        try:
            url = await address(output)
            async with aiohttp.ClientSession() as http, asyncio.timeout(40):
                names = [f"life{life}-sender{number}" for number in range(SENDERS)]
                posting = [asyncio.create_task(post_until_it_breaks_off(http, url, name, kept)) for name in names]
                while len(kept) < before + ENOUGH:
                    await asyncio.sleep(0.01)
                child.send_signal(signal.SIGKILL)
                await asyncio.gather(*posting)
        finally:
            child.kill()
            await asyncio.to_thread(child.wait, 10)
    async with await Journal.open(tmp_path / "journal.db", read_only=True) as journal:
        entries = await journal.read(kinds=("observation",), limit=100_000)
    texts = [entry.event.text for entry in entries if isinstance(entry.event, Observation)]
    assert set(kept) <= set(texts)
    assert len(texts) == len(set(texts))
