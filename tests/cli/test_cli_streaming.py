"""An answer while it is written, from any beginning of its JSON, and over the page of a running mind."""

import asyncio
import json
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from wakeful.cli.runtime import Runtime
from wakeful.cli.streaming import answer_so_far, streamed
from wakeful.dashboard import Dashboard, Live
from wakeful.journal import Journal


@settings(deadline=None)
@example("ends in a backslash \\", True)
@given(st.text(max_size=40), st.booleans())
def test_every_beginning_gives_a_beginning_of_the_answer(answer: str, ascii_only: bool) -> None:
    written = json.dumps({"answer": answer, "evidence": ["#1"]}, ensure_ascii=ascii_only)
    assert answer_so_far(written) == answer
    for end in range(len(written)):
        part = answer_so_far(written[:end])
        # Half of a character in two escapes can't be told from one that stands alone.
        assert answer.startswith(part.rstrip("".join(chr(code) for code in range(0xD800, 0xDC00))))


async def test_the_running_minds_answer_is_read_from_its_page(tmp_path: Path) -> None:
    heard: list[str] = []
    live = Live()
    async with (
        await Journal.open(tmp_path / "journal.db") as journal,
        Dashboard(journal, live, port=0, token="secret") as page,
        streamed(Runtime(pid=1, started_s=0.0, page=page.url), "secret", heard.append),
    ):
        async with asyncio.timeout(20):
            while "It was" not in heard:
                live.partial("salience", '{"answer":"not this one')
                live.partial("asked", '{"answer":"It was')
                await asyncio.sleep(0.02)
    assert set(heard) == {"It was"}


async def test_without_a_page_nothing_is_heard_and_nothing_fails() -> None:
    for running in (None, Runtime(pid=1, started_s=0.0), Runtime(pid=1, started_s=0.0, page="http://127.0.0.1:9")):
        async with streamed(running, "", lambda _: None):
            await asyncio.sleep(0.05)
