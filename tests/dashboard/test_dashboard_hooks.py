"""Posts from outside, with real clients, into a real journal."""

import asyncio
import hashlib
import hmac
import json
import shutil
from collections.abc import AsyncGenerator
from functools import partial

import aiohttp
import pytest

from wakeful.dashboard import Dashboard, Live
from wakeful.dashboard.hooks import MAX_BODY_BYTES
from wakeful.events import Observation
from wakeful.journal import Journal
from wakeful.sources import WebhookSource, run_sources

TOKEN = "hook-token-0123456789"
AUTH = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def hook() -> WebhookSource:
    return WebhookSource("kuma", TOKEN, keep_s=5)


@pytest.fixture
async def watching(journal: Journal, hook: WebhookSource) -> AsyncGenerator[None]:
    task = asyncio.create_task(run_sources([hook], {}, journal.append))
    yield
    task.cancel()
    await asyncio.wait([task])


@pytest.fixture(params=["", "page-token"])
async def served(
    request: pytest.FixtureRequest, journal: Journal, live: Live, hook: WebhookSource
) -> AsyncGenerator[Dashboard]:
    async with Dashboard(journal, live, port=0, token=request.param, hooks=[hook]) as page:
        yield page


@pytest.fixture
async def http() -> AsyncGenerator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def kept(journal: Journal) -> list[str]:
    entries = await journal.read(kinds=("observation",), limit=100)
    return [entry.event.text for entry in entries if isinstance(entry.event, Observation)]


@pytest.mark.usefixtures("watching")
async def test_what_is_acknowledged_is_in_the_journal(
    served: Dashboard, journal: Journal, http: aiohttp.ClientSession
) -> None:
    for headers, query in (
        (AUTH, ""),
        ({"X-Wakeful-Token": TOKEN}, ""),
        ({}, f"?token={TOKEN}"),
        (AUTH | {"Host": "host.docker.internal:8765"}, ""),
    ):
        response = await http.post(f"{served.url}/hook/kuma{query}", json={"msg": "backup done"}, headers=headers)
        assert response.status == 200, await response.text()
        assert await response.json() == {"kept": True}
    assert await kept(journal) == ["backup done"] * 4
    assert TOKEN not in str(await journal.read(limit=100))


@pytest.mark.usefixtures("watching")
async def test_curl(served: Dashboard, journal: Journal) -> None:
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("no curl on this machine")
    process = await asyncio.create_subprocess_exec(
        *(curl, "-sS", "-H", f"Authorization: Bearer {TOKEN}", "-d", '{"msg": "from curl", "load": 3}'),
        *("-H", "Content-Type: application/json", f"{served.url}/hook/kuma"),
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    assert json.loads(output) == {"kept": True}
    assert await kept(journal) == ["from curl (load 3)"]


@pytest.mark.usefixtures("watching")
async def test_github_signs_its_posts(served: Dashboard, journal: Journal, http: aiohttp.ClientSession) -> None:
    body = json.dumps({"zen": "Keep it simple."}).encode()
    signature = "sha256=" + hmac.new(TOKEN.encode(), body, hashlib.sha256).hexdigest()
    headers = {"X-GitHub-Event": "ping", "Content-Type": "application/json", "X-Hub-Signature-256": signature}
    assert (await http.post(f"{served.url}/hook/kuma", data=body, headers=headers)).status == 200
    assert (await http.post(f"{served.url}/hook/kuma", data=body + b" ", headers=headers)).status == 401
    assert await kept(journal) == ["GitHub: ping: Keep it simple."]


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/hook/kuma", {}, 401),
        ("/hook/kuma", {"Authorization": "Bearer wrong"}, 401),
        ("/hook/kuma?token=", {}, 401),
        ("/hook/other", AUTH, 404),
        ("/hook/kuma", AUTH | {"Origin": "https://elsewhere.example"}, 403),
        ("/hook/kuma", AUTH | {"Sec-Fetch-Site": "cross-site"}, 403),
        ("/hook/kuma/../../api/status", AUTH, 404),
    ],
)
@pytest.mark.usefixtures("watching")
async def test_who_may_not_post(
    served: Dashboard, journal: Journal, http: aiohttp.ClientSession, path: str, headers: dict[str, str], status: int
) -> None:
    response = await http.post(served.url + path, json={"msg": "x"}, headers=headers)
    assert response.status in (status, 405, 401) if ".." in path else response.status == status
    assert await kept(journal) == []


async def test_a_hooks_token_opens_nothing_but_the_hook(
    journal: Journal, live: Live, hook: WebhookSource, http: aiohttp.ClientSession
) -> None:
    async with Dashboard(journal, live, port=0, token="page-token", hooks=[hook]) as page:
        for path in ("/api/status", "/hook/%2e%2e/api/status", "/hook/kuma", "/hook/"):
            response = await http.get(page.url + path, headers=AUTH)
            assert response.status in (401, 404, 405), path


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"x" * (MAX_BODY_BYTES + 1), 413), (b"{", 400), (b'{"msg": "' + b"x" * (MAX_BODY_BYTES - 20) + b'"}', 200)],
)
@pytest.mark.usefixtures("watching")
async def test_bodies_are_bounded(served: Dashboard, http: aiohttp.ClientSession, body: bytes, status: int) -> None:
    async def in_pieces() -> AsyncGenerator[bytes]:
        for at in range(0, len(body), 60_000):
            yield body[at : at + 60_000]

    for data in (body, in_pieces()):
        response = await http.post(f"{served.url}/hook/kuma", data=data, headers=AUTH)
        assert response.status == status


async def test_a_body_that_does_not_come_is_given_up(
    served: Dashboard, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wakeful.dashboard.hooks.BODY_S", 0.2)

    async def never() -> AsyncGenerator[bytes]:
        yield b"{"
        await asyncio.sleep(30)

    response = await http.post(f"{served.url}/hook/kuma", data=never(), headers=AUTH)
    assert response.status == 408


async def test_a_flood_is_turned_away_and_nothing_acknowledged_is_lost(
    served: Dashboard, journal: Journal, hook: WebhookSource
) -> None:
    held = asyncio.Event()

    async def slow(batch: list[Observation], journal: Journal) -> None:
        await held.wait()
        await journal.append(batch)

    task = asyncio.create_task(run_sources([hook], {}, partial(slow, journal=journal)))  # type: ignore[arg-type]
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:

        async def post(number: int) -> tuple[int, str]:
            async with http.post(f"{served.url}/hook/kuma", json={"msg": f"n{number}"}, headers=AUTH) as response:
                return response.status, response.headers.get("Retry-After", "")

        posting = [asyncio.create_task(post(number)) for number in range(200)]
        async with asyncio.timeout(20):
            while sum(each.done() for each in posting) < 100:
                await asyncio.sleep(0.01)
        held.set()
        answers = [await each for each in posting]
    assert {status for status, _ in answers} <= {200, 429, 503}
    assert all(again == "5" for status, again in answers if status != 200)
    told = await kept(journal)
    assert sorted(told) == sorted(f"n{number}" for number, (status, _) in enumerate(answers) if status == 200)
    assert len(told) == 100
    task.cancel()
    await asyncio.wait([task])


async def test_a_journal_that_takes_nothing_is_said(served: Dashboard, http: aiohttp.ClientSession) -> None:
    quick = WebhookSource("kuma", TOKEN, keep_s=0.1)
    served._hooks._hooks["kuma"] = quick
    response = await http.post(f"{served.url}/hook/kuma", json={"msg": "x"}, headers=AUTH)
    assert response.status == 503
    assert response.headers["Retry-After"] == "5"
