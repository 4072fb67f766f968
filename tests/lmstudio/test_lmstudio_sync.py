"""The blocking client: the same answers, from threads, without a loop of one's own."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from raw_server import Elsewhere, Exchange, RawServer, delta, good

from wakeful.lmstudio import (
    AsyncLMStudioClient,
    ClientClosed,
    ContentDelta,
    Finished,
    LMStudioClient,
    ServerUnreachable,
)

MESSAGES = [{"role": "user", "content": "hello"}]


@pytest.fixture
def server() -> Iterator[RawServer]:
    with Elsewhere(good) as server:
        yield server


def test_whole_and_streamed(server: RawServer) -> None:
    with LMStudioClient(server.url) as client:
        assert client.chat(MESSAGES).text == "Grüße, Welt"
        with client.stream(MESSAGES) as stream:
            texts = [event.text for event in stream if isinstance(event, ContentDelta)]
            assert texts == ["Grüße, ", "Welt"]
            assert stream.result is not None
            assert stream.result.text == stream.text
        assert client.stream(MESSAGES).collect().text == "Grüße, Welt"


def test_how_far_it_is_can_be_seen_at_any_time(server: RawServer) -> None:
    with LMStudioClient(server.url) as client, client.stream(MESSAGES) as stream:
        assert (stream.so_far.text, stream.so_far.chunks) == ("", 0)
        next(stream)
        assert stream.so_far.chunks >= 1
        assert stream.so_far.text.startswith("Grüße, ")
        for _ in stream:
            pass
        assert stream.so_far == stream.result


def test_many_questions_at_once_and_their_answers_in_order(server: RawServer) -> None:
    told: list[tuple[int, int | None]] = []
    with LMStudioClient(server.url) as client:
        questions = [f"number {at}" for at in range(9)]
        answers = client.chat_all(
            questions, concurrency=3, on_progress=lambda done, total: told.append((done, total)), max_tokens=5
        )
    assert [answer.text for answer in answers] == ["Grüße, Welt"] * 9
    assert told == [(done, 9) for done in range(1, 10)]
    asked = [exchange.body.decode() for exchange in server.requests]
    assert sorted(asked) == sorted(set(asked))
    assert all('"max_tokens":5' in body for body in asked)


def test_callbacks_run_before_the_answer_is_given(server: RawServer) -> None:
    seen: list[Any] = []
    with LMStudioClient(server.url) as client:
        result = client.respond(MESSAGES, on_fragment=seen.append)
    assert "".join(each.text for each in seen) == result.text


def test_many_threads_share_one_client(server: RawServer) -> None:
    with LMStudioClient(server.url) as client, ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(client.chat, MESSAGES) for _ in range(40)]
        results = [answer.result().text for answer in answers]
    assert results == ["Grüße, Welt"] * 40


def test_a_stream_is_cancelled_from_another_thread() -> None:
    async def half(exchange: Exchange) -> None:
        await exchange.head()
        await exchange.chunk(delta("one "))
        await exchange.gone()

    with Elsewhere(half) as server, LMStudioClient(server.url) as client:
        stream = client.stream(MESSAGES)
        assert next(stream) == ContentDelta("one ")
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(next, stream)
            while not stream.inner.waits:
                threading.Event().wait(0.001)
            assert stream.cancel().text == "one "
            event = waiting.result(10)
        assert isinstance(event, Finished)
        assert event.result.interrupted == "cancelled"


def test_errors_are_the_same(free_port: int) -> None:
    with LMStudioClient(f"127.0.0.1:{free_port}") as client, pytest.raises(ServerUnreachable):
        client.chat(MESSAGES)


def test_closed_twice_and_used_afterwards(server: RawServer) -> None:
    client = LMStudioClient(server.url)
    assert client.chat(MESSAGES).text
    before = threading.active_count()
    client.close()
    client.close()
    assert threading.active_count() < before
    with pytest.raises(ClientClosed):
        client.chat(MESSAGES)


async def test_inside_a_loop_it_says_what_to_use_instead() -> None:
    with LMStudioClient() as client, pytest.raises(RuntimeError, match="AsyncLMStudioClient"):
        client.chat(MESSAGES)


def test_nothing_is_missing() -> None:
    def names(kind: type) -> set[str]:
        return {name for name in dir(kind) if not name.startswith("_")}

    for_async_programs_only = {"transport", "experience", "openai_client", "native"}
    assert names(AsyncLMStudioClient) <= names(LMStudioClient) | for_async_programs_only
