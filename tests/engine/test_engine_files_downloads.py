"""Downloads from folders and mirrors: whole ones, paused ones, broken ones, and ones that must not be."""

import asyncio
import hashlib
import os
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from wakeful.engine.files.downloads import Downloads, Job, NoSuchJob
from wakeful.engine.files.library import Library
from wakeful.engine.files.names import DownloadRefused, Wanted, chosen, is_plain, partial, target, wanted
from wakeful.engine.files.origins import checksum_in

DATA = bytes(range(256)) * 20_000  # several blocks
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def offer(root: Path, name: str = "m-Q4_K_M.gguf", data: bytes = DATA, *, checksum: str = "") -> Path:
    file = root / "pub" / "repo" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    if checksum:
        file.with_name(f"{name}.sha256").write_text(f"{checksum}  {name}\n")
    return file


async def end_of(downloads: Downloads, job: Job) -> Job:
    async with asyncio.timeout(30):
        async for _ in downloads.follow(job.id):
            pass
    return job


@asynccontextmanager
async def mirror(root: Path, handler: Handler | None = None) -> AsyncGenerator[str]:
    """A real server of files, which knows ranges; handler: answers in its place."""

    async def serve(request: web.Request) -> web.StreamResponse:
        path = root / request.path.strip("/")
        if await asyncio.to_thread(path.is_dir):
            links = "".join(f'<a href="{name}">{name}</a>' for name in os.listdir(path))
            return web.Response(text=links, content_type="text/html")
        return web.FileResponse(path) if await asyncio.to_thread(path.is_file) else web.Response(status=404)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler or serve)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    try:
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def downloading(folder: Path, base: str) -> AsyncGenerator[Downloads]:
    downloads = Downloads(folder, base)
    try:
        yield downloads
    finally:
        await downloads.close()


@pytest.mark.parametrize("how", ["folder", "file URL", "mirror"])
async def test_a_model_comes_whole(tmp_path: Path, how: str) -> None:
    offer(tmp_path / "there", checksum=hashlib.sha256(DATA).hexdigest())
    async with mirror(tmp_path / "there") as url:
        base = {"folder": str(tmp_path / "there"), "file URL": (tmp_path / "there").as_uri(), "mirror": url}[how]
        async with downloading(tmp_path / "models", base) as downloads:
            job = await downloads.start("pub/repo")
            assert (job.status, job.total_bytes) == ("downloading", len(DATA))
            await end_of(downloads, job)
            assert (job.status, job.downloaded_bytes, job.error) == ("completed", len(DATA), "")
            assert job.completed_ns is not None
            assert [each.id for each in downloads.jobs()] == [job.id]
            again = await downloads.start("pub/repo", "q4_k_m")
            assert (again.status, again.id) == ("already_downloaded", "")
    (file,) = job.files
    assert file == tmp_path / "models" / "pub" / "repo" / "m-Q4_K_M.gguf"
    assert await asyncio.to_thread(file.read_bytes) == DATA
    assert os.listdir(file.parent) == [file.name]


async def test_a_downloaded_model_is_found(tmp_path: Path, tiny: Path) -> None:
    offer(tmp_path / "there", "tiny.gguf", await asyncio.to_thread(tiny.read_bytes))
    async with downloading(tmp_path / "models", str(tmp_path / "there")) as downloads:
        await end_of(downloads, await downloads.start("pub/repo"))
    (model,) = await Library([tmp_path / "models"], lmstudio=False, pilot=False).known()
    assert (model.key, model.path) == ("tiny", "pub/repo/tiny.gguf")


async def test_it_goes_on_where_it_stopped_after_a_restart(tmp_path: Path) -> None:
    offer(tmp_path / "there")
    asked: list[str] = []

    async def slow(request: web.Request) -> web.StreamResponse:
        asked.append(f"{request.method} {request.headers.get('Range', '')}")
        if request.method == "HEAD":
            return web.Response(headers={"Content-Length": str(len(DATA))})
        if request.path.endswith("json"):
            return web.json_response(["m-Q4_K_M.gguf"])
        if request.path.endswith("sha256"):
            return web.Response(status=404)
        start = int(request.headers.get("Range", "bytes=0-")[6:-1])
        headers = {"Content-Length": str(len(DATA) - start)}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(DATA) - 1}/{len(DATA)}"
        response = web.StreamResponse(status=206 if start else 200, headers=headers)
        await response.prepare(request)
        await response.write(DATA[start : start + 1_500_000])
        if not start:
            await asyncio.Event().wait()  # nothing more comes
        await response.write(DATA[start + 1_500_000 :])
        return response

    async with mirror(tmp_path, slow) as url:
        async with downloading(tmp_path / "models", url) as first:
            job = await first.start("pub/repo")
            async for _ in first.follow(job.id):
                if job.downloaded_bytes >= 1_000_000:
                    break
            (file,) = job.files
        assert job.status == "paused"
        has = await asyncio.to_thread(lambda: partial(file).stat().st_size)
        assert has >= 1_000_000
        async with downloading(tmp_path / "models", url) as second:
            await end_of(second, await second.start("pub/repo"))
    assert asked[-1] == f"GET bytes={has}-"
    assert await asyncio.to_thread(file.read_bytes) == DATA


async def test_pause_and_resume(tmp_path: Path) -> None:
    offer(tmp_path / "there")
    async with downloading(tmp_path / "models", str(tmp_path / "there")) as downloads:
        job = await downloads.start("pub/repo")
        await downloads.pause(job.id)
        assert job.status == "paused"
        assert (await downloads.start("pub/repo")) is job
        assert job.status == "downloading"
        await end_of(downloads, job)
        assert job.status == "completed"
        assert downloads.resume(job.id).status == "completed"


async def test_a_cancelled_one_leaves_nothing(tmp_path: Path) -> None:
    offer(tmp_path / "there")
    async with downloading(tmp_path / "models", str(tmp_path / "there")) as downloads:
        job = await downloads.start("pub/repo")
        await downloads.cancel(job.id)
        assert job.status == "failed"
        assert not any(file.exists() or partial(file).exists() for file in job.files)


async def test_a_mirror_that_breaks_off_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wakeful.engine.files.downloads._FIRST_PAUSE_S", 0.001)
    times = 0

    async def breaking(request: web.Request) -> web.StreamResponse:
        nonlocal times
        if request.method == "HEAD":
            return web.Response(headers={"Content-Length": str(len(DATA))})
        if not request.path.endswith("gguf"):
            return web.Response(status=404)
        times += 1
        start = int(request.headers.get("Range", "bytes=0-")[6:-1])
        headers = {"Content-Length": str(len(DATA) - start), "Content-Range": f"bytes {start}-{len(DATA) - 1}/*"}
        response = web.StreamResponse(status=206 if start else 200, headers=headers)
        await response.prepare(request)
        await response.write(DATA[start : start + 2_000_000] if times < 3 else DATA[start:])
        if times < 3:
            assert request.transport is not None
            request.transport.abort()
        return response

    async with mirror(tmp_path, breaking) as url, downloading(tmp_path / "models", url) as downloads:
        job = await end_of(downloads, await downloads.start("pub/repo/m.gguf"))
        assert (job.status, job.error) == ("completed", "")
        assert await asyncio.to_thread(job.files[0].read_bytes) == DATA
    assert times == 3


async def test_a_mirror_without_ranges_starts_again(tmp_path: Path) -> None:
    async def whole(request: web.Request) -> web.StreamResponse:
        return web.Response(body=DATA) if request.path.endswith("gguf") else web.Response(status=404)

    file = target(tmp_path / "models", "pub", "repo", "m.gguf")
    file.parent.mkdir(parents=True)
    partial(file).write_bytes(b"of something else")
    async with mirror(tmp_path, whole) as url, downloading(tmp_path / "models", url) as downloads:
        assert (await end_of(downloads, await downloads.start("pub/repo/m.gguf"))).status == "completed"
    assert await asyncio.to_thread(file.read_bytes) == DATA


async def test_a_wrong_checksum_is_no_model(tmp_path: Path) -> None:
    offer(tmp_path / "there", checksum="0" * 64)
    async with downloading(tmp_path / "models", str(tmp_path / "there")) as downloads:
        job = await end_of(downloads, await downloads.start("pub/repo"))
        assert job.status == "failed"
        assert "damaged" in job.error
        assert not any(file.exists() or partial(file).exists() for file in job.files)


@pytest.mark.parametrize(
    "name",
    [
        "../x",
        "a/../b",
        "a/..",
        "/etc/passwd",
        "a/b/c/d",
        "a/b/passwd",
        "a\\b/c",
        "a/.hidden",
        "a/b/../../c.gguf",
        "",
        "x",
    ],
)
async def test_names_that_lead_elsewhere_are_refused(tmp_path: Path, name: str) -> None:
    async with downloading(tmp_path / "models", str(tmp_path)) as downloads:
        with pytest.raises(DownloadRefused):
            await downloads.start(name)
    assert not (tmp_path / "models").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
async def test_links_that_lead_out_of_the_folder_are_refused(tmp_path: Path) -> None:
    offer(tmp_path / "there")
    (tmp_path / "models").mkdir()
    (tmp_path / "outside").mkdir()
    os.symlink(tmp_path / "outside", tmp_path / "models" / "pub")
    async with downloading(tmp_path / "models", str(tmp_path / "there")) as downloads:
        with pytest.raises(DownloadRefused, match="outside"):
            await downloads.start("pub/repo")
    assert os.listdir(tmp_path / "outside") == []


async def test_what_is_not_there(tmp_path: Path) -> None:
    offer(tmp_path / "there")
    async with mirror(tmp_path / "there") as url:
        for base in (str(tmp_path / "there"), url):
            async with downloading(tmp_path / "models", base) as downloads:
                for name, quantization in (("pub/none", None), ("pub/repo", "Q8_0"), ("pub/repo/none.gguf", None)):
                    with pytest.raises(DownloadRefused):
                        await downloads.start(name, quantization)
                with pytest.raises(NoSuchJob):
                    downloads.job("none")
    async with downloading(tmp_path / "models", "") as nowhere:
        with pytest.raises(DownloadRefused, match="No place is configured"):
            await nowhere.start("pub/repo")
    async with downloading(tmp_path / "models", "http://127.0.0.1:1") as unreachable:
        with pytest.raises(DownloadRefused, match="can't be reached"):
            await unreachable.start("pub/repo")


def test_addresses_and_variants() -> None:
    assert wanted("pub/repo@q8_0") == Wanted("pub", "repo", "", "Q8_0")
    assert wanted("https://hub.example/pub/repo") == Wanted("pub", "repo")
    assert wanted("https://hub.example/pub/repo/resolve/main/a-Q4_0.gguf?download=true") == Wanted(
        "pub", "repo", "a-Q4_0.gguf"
    )


def test_parts_and_projector_come_with_the_model() -> None:
    names = [
        "x-Q8_0-00001-of-00002.gguf",
        "x-Q8_0-00002-of-00002.gguf",
        "x-Q4_K_M.gguf",
        "mmproj-F16.gguf",
        "README.md",
    ]
    assert chosen(names, Wanted("p", "r")) == ["x-Q4_K_M.gguf", "mmproj-F16.gguf"]
    assert chosen(names, Wanted("p", "r", "", "Q8_0")) == [*names[:2], "mmproj-F16.gguf"]


def test_checksums() -> None:
    assert checksum_in("A" * 64 + "  m.gguf\n") == "a" * 64
    assert checksum_in("nothing") == ""


@given(st.text(max_size=30))
def test_no_name_leads_out_of_the_folder(name: str) -> None:
    if is_plain(name):
        assert not set(name) & set("/\\\0")
        assert Path("/models").joinpath(name).parent == Path("/models")
        assert name not in (".", "..")
