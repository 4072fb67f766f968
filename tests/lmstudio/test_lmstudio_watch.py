"""A deadline that moves."""

import asyncio
import math

import pytest

from wakeful.lmstudio.http.watch import Watch


async def test_waits_end_in_time_or_by_timeout() -> None:
    watch, loop = Watch(), asyncio.get_running_loop()
    with watch.until(loop.time() + 5):
        await asyncio.sleep(0)
    with pytest.raises(TimeoutError), watch.until(loop.time() + 0.02):
        await asyncio.Event().wait()
    with watch.until(math.inf):
        await asyncio.sleep(0)
    watch.stop()
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_the_deadline_moves_on_without_a_new_timer() -> None:
    watch, loop = Watch(), asyncio.get_running_loop()
    for _ in range(5):  # each wait is longer than what was left when the timer was set
        with watch.until(loop.time() + 0.05):
            await asyncio.sleep(0.03)
    with pytest.raises(TimeoutError), watch.until(loop.time() + 0.05):
        await asyncio.Event().wait()
    with watch.until(loop.time() + 9):
        await asyncio.sleep(0)
    with pytest.raises(TimeoutError), watch.until(loop.time() + 0.02):  # sooner than the timer is set to
        await asyncio.Event().wait()
    watch.stop()


async def test_it_expires_when_told_to() -> None:
    watch, loop = Watch(), asyncio.get_running_loop()
    loop.call_soon(watch.expire)
    with pytest.raises(TimeoutError), watch.until(loop.time() + 9):
        await asyncio.Event().wait()
    watch.stop()


async def test_a_cancellation_from_outside_stays_one_also_at_the_same_time() -> None:
    for also_expires in (False, True):
        watch = Watch()

        async def waits(watch: Watch = watch) -> None:
            with watch.until(math.inf):
                await asyncio.Event().wait()

        task = asyncio.create_task(waits())
        await asyncio.sleep(0)
        assert watch.waits
        if also_expires:
            watch.expire()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not watch.waits


async def test_one_within_another() -> None:
    outer, inner, loop = Watch(), Watch(), asyncio.get_running_loop()
    with pytest.raises(TimeoutError), outer.until(loop.time() + 0.02):
        with inner.until(loop.time() + 9):
            await asyncio.Event().wait()
    with outer.until(loop.time() + 9):
        with pytest.raises(TimeoutError), inner.until(loop.time() + 0.02):
            await asyncio.Event().wait()
        await asyncio.sleep(0)
    outer.stop()
    inner.stop()


async def test_an_error_of_the_wait_passes() -> None:
    watch = Watch()
    with pytest.raises(ValueError, match="its own"), watch.until(math.inf):
        raise ValueError("its own")
