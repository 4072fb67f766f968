"""Who may read the page, and what its answers hold; over real sockets."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator
from typing import Any

import aiohttp
import pytest
from demo import demo_thought

from wakeful.dashboard import Dashboard, Live, PortInUse, TokenNeeded
from wakeful.events import Observation
from wakeful.journal import Journal


@pytest.fixture
async def http() -> AsyncGenerator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def get(http: aiohttp.ClientSession, url: str, **headers: str) -> tuple[int, str]:
    async with http.get(url, headers=headers, allow_redirects=False) as response:
        return response.status, await response.text()


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/app.js",
        "/draw.js",
        "/predictions.js",
        "/feedback.js",
        "/style.css",
        "/favicon.svg",
        "/api/status",
        "/api/events",
        "/api/entries",
    ],
)
async def test_everything_is_served_with_strict_headers(
    page: Dashboard, http: aiohttp.ClientSession, path: str
) -> None:
    async with http.get(page.url + path) as response:
        assert response.status == 200
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]
        assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("path", ["/", "/api/status", "/api/stream"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:8765"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": ""},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
    ],
)
async def test_a_page_elsewhere_can_not_read_it(
    page: Dashboard, http: aiohttp.ClientSession, path: str, headers: dict[str, str]
) -> None:
    status, text = await get(http, page.url + path, **headers)
    assert status == 403
    assert "error" in json.loads(text)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "LOCALHOST"])
async def test_this_machine_may(page: Dashboard, http: aiohttp.ClientSession, host: str) -> None:
    port = page.url.rpartition(":")[2]
    status, _ = await get(http, f"{page.url}/api/status", Host=f"{host}:{port}", Origin=f"http://{host}:{port}")
    assert status == 200


async def test_a_report_is_given_by_its_name_and_guarded_like_all_else(
    journal: Journal, live: Live, http: aiohttp.ClientSession
) -> None:
    async def report() -> object:
        return {"forecasts": [], "open": 3}

    async with Dashboard(journal, live, port=0, reports={"predictions": report}) as page:
        assert await get(http, f"{page.url}/api/predictions") == (200, '{"forecasts":[],"open":3}')
        assert (await get(http, f"{page.url}/api/predictions", Origin="http://evil.example"))[0] == 403
        assert (await get(http, f"{page.url}/api/others"))[0] == 404


async def test_elsewhere_wants_a_token(journal: Journal, live: Live, http: aiohttp.ClientSession) -> None:
    with pytest.raises(TokenNeeded):
        async with Dashboard(journal, live, host="0.0.0.0", port=0):
            pass
    async with Dashboard(journal, live, host="127.0.0.1", port=0, token="sësame") as page:
        assert (await get(http, f"{page.url}/api/status"))[0] == 401
        assert (await get(http, f"{page.url}/api/status", Authorization="Bearer wrong"))[0] == 401
        assert (await get(http, f"{page.url}/?token=wrong"))[0] == 401
        async with http.get(f"{page.url}/", params={"token": "sësame"}, allow_redirects=False) as response:
            assert response.status == 303
            assert response.headers["Location"] == "/"
            cookie = response.headers["Set-Cookie"]
            assert "HttpOnly" in cookie
            assert "SameSite=Strict" in cookie


async def test_a_taken_port_is_said(page: Dashboard, journal: Journal, live: Live) -> None:
    port = int(page.url.rpartition(":")[2])
    with pytest.raises(PortInUse, match=str(port)):
        async with Dashboard(journal, live, port=port):
            pass


@pytest.mark.parametrize(
    "query", ["/api/entries?seq=1;2", "/api/entries?seq=x", "/api/events?limit=9999", "/api/events?limit=-1"]
)
async def test_wrong_questions_are_refused(page: Dashboard, http: aiohttp.ClientSession, query: str) -> None:
    status, text = await get(http, page.url + query)
    assert status == 400
    assert "error" in json.loads(text)


async def test_evidence_is_given_raw(page: Dashboard, http: aiohttp.ClientSession) -> None:
    _, text = await get(http, f"{page.url}/api/entries?seq=2,99999999999999999999,1")
    assert [entry["event"]["kind"] for entry in json.loads(text)] == ["observation", "observation"]


async def events_of(response: aiohttp.ClientResponse, count: int) -> list[dict[str, Any]]:
    """The first `count` entries of a stream."""
    found: list[dict[str, Any]] = []
    event: dict[str, str] = {}
    async with asyncio.timeout(10):
        async for raw in response.content:
            line = raw.decode().rstrip("\n")
            if line:
                name, _, value = line.partition(": ")
                event[name] = value
            else:
                if event.get("event") == "entry":
                    found.append(json.loads(event["data"]) | {"id": event["id"]})
                event = {}
                if len(found) == count:
                    return found
    raise AssertionError("the stream ended")


async def test_a_stream_is_taken_up_where_it_was_cut_off(
    page: Dashboard, journal: Journal, http: aiohttp.ClientSession
) -> None:
    async with http.get(f"{page.url}/api/stream") as response:
        await journal.append([demo_thought(focus=f"thought {n}") for n in range(3)])
        first = await events_of(response, 2)
    await journal.append([demo_thought(focus="thought 3")])
    async with http.get(f"{page.url}/api/stream", headers={"Last-Event-ID": first[-1]["id"]}) as response:
        rest = await events_of(response, 2)
    assert [each["event"]["focus"] for each in first + rest] == [f"thought {n}" for n in range(4)]


async def test_raw_observations_are_not_streamed(
    page: Dashboard, journal: Journal, http: aiohttp.ClientSession
) -> None:
    async with http.get(f"{page.url}/api/stream") as response:
        await journal.append([Observation(at_ns=time.time_ns(), source="x", form="text", text="raw")] * 50)
        await journal.append([demo_thought(focus="after")])
        [only] = await events_of(response, 1)
    assert only["event"]["focus"] == "after"


async def test_a_slow_reader_holds_nobody_up_and_skips() -> None:
    live = Live()
    with live.reading() as queue:
        for number in range(10_000):
            live.partial("salience", str(number))
        assert queue.qsize() <= 64
        last = b""
        while not queue.empty():
            _, last = queue.get_nowait()
        assert json.loads(last)["text"] == "9999"


async def test_leaving_closes_open_streams_at_once(journal: Journal, live: Live, http: aiohttp.ClientSession) -> None:
    async with Dashboard(journal, live, port=0) as page:
        response = await http.get(f"{page.url}/api/stream")
        begun_s = time.monotonic()
    assert time.monotonic() - begun_s < 5
    response.close()
