"""Models that come from a folder or a mirror: over REST v1, over the socket, and with LM Studio's own SDK."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import aiohttp
import lmstudio as lms
import pytest
from native_line import CANCEL, line, types
from scripted_house import House, open_house

from wakeful.engine.files.downloads import Downloads
from wakeful.engine.files.names import Wanted
from wakeful.engine.files.origins import Offered

NAME = "some-one/Tiny-GGUF"
SMALL, LARGE = f"{NAME}/Tiny-Q4_K_M.gguf", f"{NAME}/Tiny-Q8_0.gguf"


@pytest.fixture
def there(tmp_path: Path) -> Path:
    """A place that has one repository."""
    folder = tmp_path / "there" / NAME
    folder.mkdir(parents=True)
    for name, size in (("Tiny-Q4_K_M.gguf", 3000), ("Tiny-Q8_0.gguf", 7000), ("mmproj-Tiny.gguf", 10)):
        (folder / name).write_bytes(b"GGUF" + bytes(size - 4))
    (folder / "README.md").write_text("no model")
    return tmp_path / "there"


@pytest.fixture
async def downloads(tmp_path: Path, there: Path) -> AsyncGenerator[Downloads]:
    made = Downloads(tmp_path / "here", str(there))
    yield made
    await made.close()


@pytest.fixture
async def house(downloads: Downloads) -> AsyncGenerator[House]:
    async with open_house(downloads=downloads) as opened:
        yield opened


async def ask(house: House, path: str, body: Any = None) -> tuple[int, Any]:
    async with aiohttp.ClientSession() as http:
        method = "GET" if body is None else "POST"
        async with http.request(method, f"{house.url}/api/v1/models/download{path}", json=body) as answer:
            return answer.status, await answer.json()


async def finished(house: House, job_id: str) -> Any:
    async with asyncio.timeout(20):
        while True:
            status, told = await ask(house, f"/status/{job_id}")
            assert status == 200
            if told["status"] != "downloading":
                return told
            await asyncio.sleep(0.01)


async def test_a_download_over_rest_is_followed_to_its_end(house: House, tmp_path: Path) -> None:
    status, job = await ask(house, "", {"model": NAME, "quantization": "q8_0"})
    assert status == 200
    assert job["job_id"].startswith("job_")
    assert (job["status"], job["total_size_bytes"]) == ("downloading", 7010)
    assert job["started_at"].endswith("Z")
    done = await finished(house, job["job_id"])
    assert (done["status"], done["downloaded_bytes"], done["total_size_bytes"]) == ("completed", 7010, 7010)
    assert done["completed_at"] >= done["started_at"]
    assert not {"bytes_per_second", "estimated_completion"} & done.keys()
    assert (tmp_path / "here" / LARGE).stat().st_size == 7000
    status, again = await ask(house, "", {"model": f"https://huggingface.co/{NAME}", "quantization": "Q8_0"})
    assert (status, again) == (200, {"status": "already_downloaded"})


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        ({"model": "no-one/nothing"}, 404, "model_not_found"),
        ({"model": "../etc"}, 404, "model_not_found"),
        ({"model": NAME, "quantization": "Q2_K"}, 404, "model_not_found"),
        ({}, 400, "invalid_request"),
        ({"model": NAME, "folder": "/"}, 400, "invalid_request"),
    ],
)
async def test_what_cannot_be_downloaded_is_told(house: House, body: Any, status: int, kind: str) -> None:
    got, answer = await ask(house, "", body)
    assert (got, answer["error"]["type"]) == (status, kind)


async def test_an_unknown_job_is_told(house: House) -> None:
    for job_id in ("job_1", "1"):
        status, answer = await ask(house, f"/status/{job_id}")
        assert (status, answer["error"]["type"]) == (404, "job_not_found")


async def test_without_a_place_there_are_no_downloads() -> None:
    async with open_house() as house:
        status, answer = await ask(house, "", {"model": NAME})
        assert (status, answer["error"]["type"]) == (501, "not_implemented")
        assert (await ask(house, "/status/job_1"))[0] == 404
        async with line(house, "repository") as opened:
            assert (await opened.call("searchModels", {"opts": {}}))["result"] == {"results": []}
            await opened.open("downloadModel", {"downloadIdentifier": SMALL})
            assert "No place" in (await opened.rest())[-1]["error"]["title"]


async def test_the_sdk_searches_chooses_and_downloads(house: House, tmp_path: Path) -> None:
    updates: list[Any] = []
    finalized: list[bool] = []
    async with lms.AsyncClient(house.host) as client:
        (found,) = await client.repository.search_models("tiny")
        assert found.search_result.name == NAME
        options = await found.get_download_options()
        assert [(each.info.quantization, each.info.size_bytes, each.info.recommended) for each in options] == [
            ("Q4_K_M", 3000, True),
            ("Q8_0", 7000, False),
        ]
        key = await options[0].download(on_progress=updates.append, on_finalize=lambda: finalized.append(True))
        assert key == SMALL  # the scripted list of models does not grow
        assert await options[0].download() == SMALL
        assert await client.repository.search_models("nothing") == []
        assert await client.repository.search_models("tiny", compatibility_types=["safetensors"]) == []
    assert (tmp_path / "here" / SMALL).stat().st_size == 3000
    assert all(update.total_bytes == 3000 for update in updates)


async def test_a_download_that_fails_or_is_cancelled_ends_the_channel(
    house: House, downloads: Downloads, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async with line(house, "repository") as opened:
        await opened.open("downloadModel", {"downloadIdentifier": "no-one/nothing"})
        assert (await opened.rest())[-1]["type"] == "channelError"

        waits = asyncio.Event()

        async def slow(wanted: Wanted, file: str, start: int) -> AsyncGenerator[bytes]:
            del wanted, file, start
            yield b"GGUF"
            await waits.wait()

        monkeypatch.setattr(downloads._origin, "read", slow)
        await opened.open("downloadModel", {"downloadIdentifier": SMALL}, 2)
        while types([await opened.next()]) != ["downloadProgress"]:
            pass
        await opened.tell(CANCEL, 2)
        assert types(await opened.rest(2))[-1] == "channelClose"
        (job,) = downloads.jobs()
        assert (job.status, job.error) == ("failed", "It was cancelled.")
        assert not list((tmp_path / "here").rglob("*.part"))


async def test_offers_and_search_of_a_mirror(downloads: Downloads, monkeypatch: pytest.MonkeyPatch) -> None:
    async def none() -> list[str]:
        return []

    monkeypatch.setattr(downloads._origin, "repositories", none)
    assert await downloads.search(NAME) == [NAME]
    assert await downloads.search("no-one/nothing") == []
    assert await downloads.offers(NAME) == [Offered("Tiny-Q4_K_M.gguf", 3000), Offered("Tiny-Q8_0.gguf", 7000)]
    job = await downloads.start(SMALL)
    async with aclosing(downloads.follow(job.id)) as stages:
        last = [stage async for stage in stages][-1]
    assert last.status == "completed"
