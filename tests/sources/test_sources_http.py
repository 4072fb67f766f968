import asyncio
import socket
import ssl
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
from aiohttp import web
from certificates import Authority
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st
from sources_conformance import check_source, collect, first

from wakeful.events import Observation
from wakeful.sources import HttpSource, SourceError
from wakeful.sources.certificate import not_after
from wakeful.sources.errors import SourceBroken
from wakeful.sources.web import shown


class Site:
    """A real server whose answers a test sets."""

    def __init__(self) -> None:
        self.body: bytes | str = "all is well"
        self.status = 200
        self.wait_s = 0.0
        self.asked = 0
        self.headers: list[dict[str, str]] = []
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        self.asked += 1
        self.headers.append(dict(request.headers))
        if self.wait_s:
            await asyncio.sleep(self.wait_s)
        if request.path == "/away":
            raise web.HTTPFound("/")
        if request.path == "/for-ever":
            raise web.HTTPFound("/for-ever")
        if request.path == "/counting":
            return web.Response(text=f"visitor {self.asked}")
        body = self.body.encode() if isinstance(self.body, str) else self.body
        return web.Response(status=self.status, body=body)


@asynccontextmanager
async def serving(context: ssl.SSLContext | None = None, port: int = 0) -> AsyncGenerator[Site]:
    site = Site()
    app = web.Application()
    app.router.add_get("/{path:.*}", site.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, ssl_context=context).start()
    site.url = f"{'https' if context else 'http'}://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield site
    finally:
        await runner.cleanup()


@pytest.fixture
async def site() -> AsyncGenerator[Site]:
    async with serving() as site:
        yield site


def source_of(url: str, **settings: object) -> HttpSource:
    usual: dict[str, object] = {"every_s": 0.02, "again_s": 0.0, "name": "site"}
    return HttpSource(url, **(usual | settings))  # type: ignore[arg-type]


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def states(seen: list[Observation]) -> list[str]:
    return [each.text for each in seen if each.form == "state"]


async def test_it_holds_what_every_source_must(site: Site) -> None:
    await check_source(lambda: source_of(site.url, every_s=0.01))


async def test_figures(site: Site) -> None:
    seen = await first(source_of(site.url))
    assert (seen.source, seen.form) == ("http:site", "metrics")
    assert seen.values["status"] == 200
    assert seen.values["up"] == 1
    assert seen.values["body_bytes"] == len("all is well")
    assert 0 < seen.values["latency_s"] < 10
    assert seen.text.startswith("site answers 200 in 0.")


async def test_statuses_are_told_when_they_change(site: Site) -> None:
    site.status = 503
    source = source_of(site.url, body=False)
    failing = await collect(source, lambda seen: len(seen) >= 4)
    assert states(failing) == ["site answers 503"]
    assert failing[-1].values["up"] == 0
    site.status = 200
    again = await collect(source, lambda seen: len(seen) >= 3, resume=failing[-1].resume)
    assert states(again) == ["site answers 200 (was 503)"]


async def test_down_is_told_once_and_so_is_up_again() -> None:
    port = free_port()
    source = source_of(f"http://127.0.0.1:{port}")
    down = await collect(source, lambda seen: len(seen) >= 4)
    assert states(down) == ["site is down: connection refused"] or "connect" in states(down)[0]
    assert len(states(down)) == 1
    assert down[-1].values == {"up": 0.0}
    async with serving(port=port):
        seen = await first(source, resume=down[-1].resume, match="up again")
    assert seen.text == "site is up again: it answers 200"


async def test_one_failure_alone_is_none(site: Site) -> None:
    asked = 0

    async def fail_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        await reader.readuntil(b"\r\n\r\n")
        if asked > 1:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        writer.close()

    server = await asyncio.start_server(fail_once, "127.0.0.1", 0)
    async with server:
        seen = await first(source_of(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"))
    assert seen.values["up"] == 1
    assert asked == 2


async def test_slowness_and_a_host_that_is_none(site: Site) -> None:
    site.wait_s = 5
    slow = await first(source_of(site.url, timeout_s=0.1))
    assert slow.text == "site is down: it did not answer within 0.1 s"
    nowhere = await first(source_of("http://no-such-host.invalid"))
    assert nowhere.text == "site is down: there is no such host"


async def test_what_the_body_lacks_is_told(site: Site) -> None:
    seen = await first(source_of(site.url, expects="well"))
    assert seen.values["up"] == 1
    site.body = "database gone"
    lacking = await first(source_of(site.url, expects="well"), resume=seen.resume)
    assert lacking.text == "site is down: its body lacks what it should contain"


async def test_a_changed_body_is_told_with_its_lines(site: Site) -> None:
    seen: list[Observation] = []

    def enough(all_: list[Observation]) -> bool:
        if len(all_) == 1:
            site.body = "all is well\npassword: hunter2\nnew line"
        seen[:] = all_
        return any("changed" in each.text for each in all_)

    await collect(source_of(site.url), enough)
    [told] = states(seen)
    assert told == "site: its body changed: +password: …; +new line"
    site.body = b"\xff\xfe\x00binary"
    after = await collect(source_of(site.url), lambda seen: len(seen) >= 3, resume=seen[-1].resume)
    assert states(after) == ["site: its body changed"]


async def test_a_body_that_changes_by_nature_is_no_news(site: Site) -> None:
    seen = await collect(source_of(f"{site.url}/counting"), lambda seen: sum(s.form == "metrics" for s in seen) >= 10)
    assert len(states(seen)) == 3


async def test_a_huge_body_is_cut(site: Site) -> None:
    site.body = b"x" * 3_000_000
    seen = await first(source_of(site.url))
    assert seen.values["body_bytes"] == 1024 * 1024


async def test_redirects(site: Site) -> None:
    assert (await first(source_of(f"{site.url}/away"))).values["status"] == 200
    kept = await first(source_of(f"{site.url}/away", headers={"X-Key": "sesame"}), match="answers")
    assert kept.text.startswith("site answers 302")
    assert (await first(source_of(f"{site.url}/for-ever"))).text == "site is down: it redirects for ever"


async def test_secrets_are_sent_and_never_said(site: Site) -> None:
    address = site.url.replace("http://", "http://user:hunter2@") + "/path?key=sesame"
    source = HttpSource(address, every_s=0.02, again_s=0, headers={"X-Key": "open"})
    seen = await collect(source, lambda seen: len(seen) >= 2)
    site.wait_s = 5
    failing = HttpSource(address, every_s=0.02, again_s=0, timeout_s=0.1)
    seen += await collect(failing, lambda seen: len(seen) >= 2)
    assert site.headers[0]["X-Key"] == "open"
    assert site.headers[0]["Authorization"].startswith("Basic ")
    assert source.name == f"http:{site.url.removeprefix('http://')}/path"
    for secret in ("hunter2", "sesame", "open", "user"):
        assert secret not in str(seen)


@pytest.mark.parametrize("url", ["ftp://x", "x", "http://", "http://x:99999", "http://[", ""])
def test_an_address_that_is_none_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(SourceError, match="is none"):
        HttpSource(url)


def test_what_is_shown_of_an_address() -> None:
    assert shown("https://u:p@[::1]:8443/a/?q=1#f") == "[::1]:8443/a"


# Certificates


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


async def test_days_left_of_a_trusted_certificate(authority: Authority) -> None:
    async with serving(authority.server_context(days=40.5)) as site:
        seen = await first(source_of(site.url, ca_file=str(authority.ca_file)))
    assert seen.values["certificate_days"] == pytest.approx(40.5, abs=0.02)
    assert seen.text.endswith("certificate 40 days")


async def test_the_end_that_comes_near_is_told_once_a_step(authority: Authority) -> None:
    begun_ns = time.time_ns()
    told: list[str] = []
    async with serving(authority.server_context(days=40)) as site:
        resume = ""
        for day in (0, 11, 12, 27, 39.5):
            now_ns = begun_ns + int(day * 86_400e9)
            source = source_of(site.url, ca_file=str(authority.ca_file), now_ns=partial(int, now_ns))
            seen = await collect(source, lambda seen: seen[-1].form == "metrics", resume=resume)
            resume = seen[-1].resume
            told += states(seen)
    assert told == [
        "the certificate of site ends in 29 days",
        "the certificate of site ends in 13 days",
        "the certificate of site ends in 12 hours",
    ]


async def test_a_certificate_that_has_expired(authority: Authority) -> None:
    async with serving(authority.server_context(days=-3)) as site:
        seen = await collect(source_of(site.url, ca_file=str(authority.ca_file)), lambda seen: len(seen) >= 3)
    assert states(seen) == [
        "site is down: its certificate is not trusted: certificate has expired",
        "the certificate of site has expired",
    ]
    assert seen[-1].values["certificate_days"] == pytest.approx(-3, abs=0.02)


async def test_a_certificate_of_nobody_we_trust(authority: Authority) -> None:
    async with serving(authority.server_context(days=40)) as site:
        refused = await first(source_of(site.url))
        taken = await first(source_of(site.url, verify=False))
    assert refused.text.startswith("site is down: its certificate is not trusted")
    assert taken.values["up"] == 1
    assert taken.values["certificate_days"] > 39


async def test_a_ca_file_that_is_none_is_a_failure(tmp_path: Path, site: Site) -> None:
    for file in (tmp_path / "none.pem", tmp_path):
        with pytest.raises(SourceError, match="ca_file"):
            await first(source_of(site.url, ca_file=str(file)))


@settings(deadline=None, max_examples=40)
@given(days=st.floats(-300, 30_000))
def test_the_end_is_read_as_a_whole_library_reads_it(tmp_path_factory: pytest.TempPathFactory, days: float) -> None:
    der = Authority(tmp_path_factory.getbasetemp()).certificate(days=days)
    assert not_after(der) == x509.load_der_x509_certificate(der).not_valid_after_utc.timestamp()


@given(st.binary(max_size=200))
def test_what_is_no_certificate_is_refused(data: bytes) -> None:
    with pytest.raises(SourceBroken):
        not_after(data)


async def test_a_certificate_cut_short_is_refused(authority: Authority) -> None:
    der = authority.certificate(days=1)
    for length in range(0, 120, 7):
        with pytest.raises(SourceBroken):
            not_after(der[:length])
