"""The engine with real child processes: they are loaded, asked, killed, and never left behind."""

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from wakeful.engine import (
    Engine,
    EngineDied,
    EngineError,
    EngineEvent,
    EngineLoading,
    EngineMissing,
    EngineReady,
    EngineStartFailed,
    EngineStarting,
    EngineStopped,
    ModelFileError,
    NotEnoughMemory,
)
from wakeful.lmstudio import (
    AsyncLMStudioClient,
    AuthError,
    ContextOverflow,
    LMStudioError,
    ServerUnreachable,
    StreamBroken,
)

SCHEMA = {
    "type": "object",
    "properties": {"colour": {"enum": ["red", "green"]}, "sure": {"type": "boolean"}},
    "required": ["colour", "sure"],
    "additionalProperties": False,
}
MESSAGES = [{"role": "user", "content": "hello there"}]


async def until(condition: Callable[[], bool], limit_s: float = 20.0) -> None:
    async with asyncio.timeout(limit_s):
        while not condition():
            await asyncio.sleep(0.01)


def is_gone(process: psutil.Process) -> bool:
    """Whether it has ended; in a container without an init nobody buries orphans."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


async def think(client: AsyncLMStudioClient) -> dict[str, Any]:
    return json.loads((await client.chat(MESSAGES, json_schema=SCHEMA, max_tokens=400)).text)


async def test_real_inference_held_to_a_schema(tiny: Path) -> None:
    async with Engine(tiny, threads=1) as engine, engine.client() as client:
        assert (await think(client))["colour"] in ("red", "green")
        model = await client.loaded_model()
        assert (model.id, model.context_length, model.state) == ("tiny", 2048, "loaded")
        assert engine.context_tokens == 2048  # no more than it was trained for, though 8192 were asked for
        assert (await client.health()).kind == "llama.cpp"


async def test_the_prefix_is_read_once(tiny: Path) -> None:
    long = [{"role": "user", "content": "word " * 100}]
    async with Engine(tiny, threads=1) as engine, engine.client() as client:
        first = await client.chat(long, json_schema=SCHEMA, max_tokens=400)
        second = await client.chat([*long, *MESSAGES], json_schema=SCHEMA, max_tokens=400)
        third = await client.chat(long, json_schema=SCHEMA, max_tokens=400, cache_prompt=False)
    assert first.evaluated_tokens == first.usage.prompt_tokens
    assert second.evaluated_tokens is not None
    assert second.usage.cached_tokens is not None
    assert second.evaluated_tokens < 60 < second.usage.cached_tokens
    assert third.evaluated_tokens == third.usage.prompt_tokens


async def test_a_question_in_between_does_not_cost_the_prefix(tiny: Path) -> None:
    thought, question = ([{"role": "user", "content": word * 200}] for word in ("apple ", "zebra "))
    async with Engine(tiny, threads=1) as engine, engine.client() as client:
        for messages in (thought, question):
            await client.chat(messages, json_schema=SCHEMA, max_tokens=400)
        again = await client.chat(thought, json_schema=SCHEMA, max_tokens=400)
    assert again.evaluated_tokens == 1


async def test_tokens_are_counted_exactly(tiny: Path) -> None:
    async with Engine(tiny, threads=1) as engine, engine.client() as client:
        result = await client.chat(MESSAGES, json_schema=SCHEMA, max_tokens=400)
        assert await client.count_tokens(MESSAGES) == result.usage.prompt_tokens


async def test_overflow_says_the_numbers(tiny: Path) -> None:
    async with Engine(tiny, threads=1, context_tokens=512) as engine, engine.client() as client:
        with pytest.raises(ContextOverflow) as caught:
            await client.chat([{"role": "user", "content": "x" * 2000}])
    assert caught.value.n_ctx == 512
    assert (caught.value.n_prompt or 0) > 2000


async def test_nobody_without_the_token_can_use_it(tiny: Path) -> None:
    async with Engine(tiny, threads=1) as engine, AsyncLMStudioClient(engine.base_url) as stranger:
        with pytest.raises(AuthError):
            await stranger.chat(MESSAGES)


async def test_killed_in_the_middle_of_a_stream(tiny: Path) -> None:
    events: list[EngineEvent] = []
    async with Engine(tiny, threads=1, on_event=events.append) as engine, engine.client() as client:
        url, pid = engine.base_url, engine.health.pid
        assert pid is not None
        stream = client.stream(MESSAGES, max_tokens=1500, extra={"ignore_eos": True})
        await anext(stream)
        os.kill(pid, signal.SIGKILL)
        with pytest.raises((StreamBroken, ServerUnreachable)) as caught:
            async for _ in stream:
                pass
        assert caught.value.retry_helps
        await until(lambda: engine.health.restarts == 1 and engine.health.state == "ready")
        assert engine.base_url == url  # clients need not be told
        assert await think(client)
        assert engine.health.pid not in (None, pid)
    kinds = [type(event) for event in events if not isinstance(event, EngineStarting | EngineLoading)]
    assert kinds == [EngineReady, EngineDied, EngineReady]
    assert "signal 9" in str(next(event for event in events if isinstance(event, EngineDied)).reason)


async def test_killed_again_and_again_it_slows_down_but_goes_on(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wakeful.engine.llama.supervisor._FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr("wakeful.engine.llama.supervisor._LONGEST_PAUSE_S", 0.3)
    deaths: list[EngineDied] = []

    def on_event(event: EngineEvent) -> None:
        if isinstance(event, EngineDied):
            deaths.append(event)

    async with Engine(tiny, threads=1, on_event=on_event) as engine:
        state = engine.health.state
        for number in range(1, 6):
            pid = engine.health.pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            await until(lambda number=number: len(deaths) == number)
            state = engine.health.state
            await engine.wait_ready(20)
        assert state == "failing"
    assert [death.crashes for death in deaths] == [1, 2, 3, 4, 5]
    assert deaths[-1].restart_in_s == 0.3


async def test_a_port_taken_meanwhile_means_another_one(tiny: Path) -> None:
    async with Engine(tiny, threads=1) as engine:
        url, pid = engine.base_url, engine.health.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        await until(lambda: engine.health.state == "restarting")
        with socket.socket() as thief:
            thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            thief.bind(("127.0.0.1", int(url.rsplit(":", 1)[1])))
            thief.listen()
            await engine.wait_ready(20)
            assert engine.base_url != url
            async with engine.client() as client:
                assert await think(client)


async def test_restarted_on_request(tiny: Path) -> None:
    async with Engine(tiny, threads=1) as engine, engine.client() as client:
        pid = engine.health.pid
        await engine.restart("it hangs")
        await engine.wait_ready(20)
        assert engine.health.pid != pid
        assert await think(client)


async def test_two_engines_side_by_side(tiny: Path) -> None:
    async with Engine(tiny, threads=1) as one, Engine(tiny, threads=1) as two:
        assert one.base_url != two.base_url
        assert one.api_token != two.api_token
        async with one.client() as first, two.client() as second:
            assert all(await asyncio.gather(think(first), think(second)))


async def test_closing_leaves_nothing(tiny: Path) -> None:
    async with Engine(tiny, threads=1) as engine, engine.client() as client:
        process = psutil.Process(engine.health.pid)
        stream = client.stream(MESSAGES, max_tokens=1500, extra={"ignore_eos": True})
        await anext(stream)
        started_s = time.monotonic()
        await engine.close()
        assert time.monotonic() - started_s < 2
        assert not process.is_running()
        with pytest.raises(LMStudioError):
            async for _ in stream:
                pass
    assert engine.health.state == "stopped"


async def test_closed_right_after_the_start(tiny: Path) -> None:
    async with Engine(tiny, threads=1) as engine:
        process = psutil.Process(engine.health.pid)
    assert not process.is_running()


async def test_a_child_that_ignores_its_end_is_killed(tiny: Path) -> None:
    async with Engine(tiny, threads=1) as engine:
        process = psutil.Process(engine.health.pid)
        process.suspend()
        started_s = time.monotonic()
        await engine.close()
        assert time.monotonic() - started_s < 2
        assert not process.is_running()


async def test_cancelled_while_starting(tiny: Path) -> None:
    before = set(psutil.Process().children())
    started = asyncio.Event()

    def on_event(event: EngineEvent) -> None:
        if isinstance(event, EngineStarting):
            started.set()

    async def run() -> None:
        async with Engine(tiny, threads=1, on_event=on_event):
            await asyncio.Event().wait()

    task = asyncio.create_task(run())
    await asyncio.wait_for(started.wait(), 10)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert set(psutil.Process().children()) == before


PARENT = """
    import asyncio, sys
    from pathlib import Path
    from wakeful.engine import Engine

    async def main():
        async with Engine(Path(sys.argv[1]), threads=1) as engine:
            print(engine.health.pid, flush=True)
            await asyncio.Event().wait()

    asyncio.run(main())
"""


@pytest.mark.parametrize("how", ["SIGKILL", "SIGTERM", "stopped by its input only"])
def test_the_child_ends_with_its_parent(tiny: Path, how: str) -> None:
    program = textwrap.dedent(PARENT)
    if how.startswith("stopped"):  # as on systems where the kernel does not help
        program = program.replace(
            "asyncio.run(main())",
            "import wakeful.engine.llama.child as child\n"
            "source = Path(child.__file__).read_text().replace('_die_with(settings.parent_pid)', 'pass')\n"
            "copy = Path(sys.argv[1]).with_name('child_without_kernel.py')\n"
            "copy.write_text(source)\n"
            "child.__file__ = str(copy)\n"
            "asyncio.run(main())",
        )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tiny)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        parent.send_signal(signal.SIGTERM if how == "SIGTERM" else signal.SIGKILL)
        parent.wait(10)
        give_up_s = time.monotonic() + 2
        while not is_gone(child):
            assert time.monotonic() < give_up_s
            time.sleep(0.01)


async def test_a_port_in_use(tiny: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(EngineStartFailed, match=f"Port {port} is taken"):
            async with Engine(tiny, threads=1, port=port):
                pass


async def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="There is no model file"):
        async with Engine(tmp_path / "none.gguf"):
            pass


async def test_a_folder_in_the_place_of_a_file(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="can't be read"):
        async with Engine(tmp_path):
            pass


async def test_a_file_that_is_no_gguf(tmp_path: Path) -> None:
    path = tmp_path / "text.gguf"
    path.write_text("<html>404</html>")
    with pytest.raises(ModelFileError, match="no GGUF file"):
        async with Engine(path):
            pass


async def test_a_download_cut_short(tiny: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(tiny, tmp_path / "half.gguf"))
    os.truncate(path, 100_000)
    with pytest.raises(ModelFileError, match="can't load") as caught:
        async with Engine(path, threads=1):
            pass
    assert "incomplete" in caught.value.hint
    assert caught.value.log


async def test_a_context_beyond_all_memory(tmp_path: Path) -> None:
    from tiny_gguf import write_tiny_gguf

    path = write_tiny_gguf(tmp_path / "long.gguf", context=2**31 - 1)
    with pytest.raises(NotEnoughMemory, match="are free") as caught:
        async with Engine(path, context_tokens=2**31 - 1):
            pass
    assert "smaller context" in caught.value.hint


def find_nothing(_name: str) -> None:
    return None


async def test_the_missing_extra(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", find_nothing)
    with pytest.raises(EngineMissing) as caught:
        async with Engine(tiny):
            pass
    assert "pip install 'wakeful[engine]'" in str(caught.value)


async def test_used_wrongly(tiny: Path) -> None:
    engine = Engine(tiny)
    for use in (lambda: engine.base_url, lambda: engine.api_token, lambda: engine.model):
        with pytest.raises(EngineStopped):
            use()
    with pytest.raises(EngineStopped):
        await engine.wait_ready()
    async with Engine(tiny, threads=1) as running:
        with pytest.raises(EngineStopped):
            await running.__aenter__()


async def test_a_subscriber_that_fails_harms_nothing(tiny: Path) -> None:
    def on_event(_event: EngineEvent) -> None:
        raise ZeroDivisionError

    async with Engine(tiny, threads=1, on_event=on_event) as engine, engine.client() as client:
        assert await think(client)


async def test_not_ready_in_time_says_why(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wakeful.engine.llama.supervisor._FIRST_PAUSE_S", 5.0)
    async with Engine(tiny, threads=1) as engine:
        pid = engine.health.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        await until(lambda: engine.health.state == "restarting")
        with pytest.raises(EngineError, match="signal 9"):
            await engine.wait_ready(0.05)


async def test_loading_without_end(tiny: Path) -> None:
    with pytest.raises(EngineStartFailed, match="not ready"):
        async with Engine(tiny, threads=1, start_limit_s=0.0):
            pass
