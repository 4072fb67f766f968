import gc
import math
from collections.abc import AsyncGenerator, Callable, Generator

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Summary, start_http_server
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.parser import text_string_to_metric_families
from sources_conformance import check_source, collect, first

from wakeful.events import Observation
from wakeful.sources import PrometheusSource, SourceError, SourceRefused
from wakeful.sources.exposition import Sample, parse
from wakeful.sources.prometheus import _chosen
from wakeful.sources.series import Series


class Exporter:
    """prometheus_client's own server, as most Python exporters use it."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.server, self.thread = start_http_server(0, "127.0.0.1", self.registry)
        self.url = f"http://127.0.0.1:{self.server.server_port}/metrics"

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def exporter() -> Generator[Exporter]:
    exporter = Exporter()
    yield exporter
    exporter.stop()
    gc.collect()


def source_of(url: str, **settings: object) -> PrometheusSource:
    usual: dict[str, object] = {"every_s": 0.02, "name": "box"}
    return PrometheusSource(url, **(usual | settings))  # type: ignore[arg-type]


def figures(seen: list[Observation]) -> list[dict[str, float]]:
    return [each.values for each in seen if each.form == "metrics"]


async def test_it_holds_what_every_source_must(exporter: Exporter) -> None:
    Gauge("load", "of this box", registry=exporter.registry).set(0.5)
    await check_source(lambda: source_of(exporter.url, every_s=0.01))


async def test_gauges_counters_histograms_and_summaries(exporter: Exporter) -> None:
    load = Gauge("node_load1", "load", registry=exporter.registry)
    requests = Counter("http_requests", "requests", ["code"], registry=exporter.registry)
    duration = Histogram("http_seconds", "durations", buckets=(0.1, 1, 10), registry=exporter.registry)
    size = Summary("http_bytes", "sizes", registry=exporter.registry)
    load.set(0.25)
    requests.labels("200").inc(5)
    looks = 0

    def enough(seen: list[Observation]) -> bool:
        nonlocal looks
        looks = len(seen)
        if looks == 1:
            requests.labels("200").inc(100)
            for _ in range(10):
                duration.observe(0.5)
                size.observe(200)
        return looks == 2

    [before, after] = figures(await collect(source_of(exporter.url), enough))
    assert before == {"node_load1": 0.25}
    assert after["node_load1"] == 0.25
    assert after["http_requests_per_s:code=200"] > 100
    assert after["http_seconds_mean"] == 0.5
    assert after["http_seconds_p95"] == pytest.approx(0.955)
    assert after["http_seconds_count_per_s"] > 0
    assert after["http_bytes_mean"] == 200
    assert not any(name.endswith(("_bucket", "_created", "_total")) for name in after)


async def test_metrics_are_chosen(exporter: Exporter) -> None:
    for name in ("node_load1", "node_load5", "node_disk", "other"):
        Gauge(name, name, registry=exporter.registry).set(1)
    seen = await first(source_of(exporter.url, metrics=["node_*", "!node_disk"]))
    assert seen.values == {"node_load1": 1, "node_load5": 1}
    assert seen.text == "box: node_load1 1, node_load5 1"


@pytest.mark.parametrize(
    ("patterns", "name", "wanted"),
    [
        ([], "anything", True),
        (["http_seconds"], "http_seconds_bucket", True),
        (["http_seconds"], "http_seconds_max", False),
        (["a", "b*"], "bc", True),
        (["a*", "!ab*"], "abc", False),
        (["!ab*"], "abc", False),
        (["!ab*"], "xyz", True),
    ],
)
def test_patterns(patterns: list[str], name: str, wanted: bool) -> None:
    assert _chosen(patterns)(name) is wanted


async def test_many_series_are_bounded_and_said_once(exporter: Exporter) -> None:
    queue = Gauge("queue_length", "of each queue", ["queue"], registry=exporter.registry)
    for number in range(300):
        queue.labels(f"q{number}").set(number)
    seen = await collect(source_of(exporter.url, max_series=20), lambda seen: len(seen) >= 4)
    assert [each.text for each in seen if each.form == "state"] == [
        "box offers 300 series, of which 20 are watched: choose with `metrics` of this source"
    ]
    kept = [set(values) for values in figures(seen)]
    assert all(len(names) == 20 for names in kept)
    assert all(names == kept[0] for names in kept)


async def test_an_exporter_that_is_away_or_none_is_a_failure(exporter: Exporter) -> None:
    exporter.server.shutdown()
    exporter.server.server_close()
    with pytest.raises(SourceError):
        await first(source_of(exporter.url))


@pytest.fixture
async def says() -> AsyncGenerator[Callable[[bytes, int], str]]:
    """A server that says what it is told to; gives its address."""
    answer: dict[str, tuple[bytes, int]] = {}

    async def respond(request: web.Request) -> web.Response:
        if "Authorization" in request.headers:
            return web.Response(text="secret 1")
        body, status = answer["now"]
        return web.Response(body=body, status=status)

    app = web.Application()
    app.router.add_get("/metrics", respond)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()

    def now(body: bytes, status: int) -> str:
        answer["now"] = (body, status)
        return f"http://127.0.0.1:{runner.addresses[0][1]}/metrics"

    yield now
    await runner.cleanup()


@pytest.mark.parametrize(
    ("body", "status", "why"),
    [
        (b"<html>hello there</html>", 200, "no Prometheus text"),
        (b"", 404, "it answers 404"),
        (b"", 401, "it answers 401"),
        (b"x 1\n" * 5_000_000, 200, "more than 16 MB"),
    ],
)
async def test_what_is_no_exporter_is_refused(
    says: Callable[[bytes, int], str], body: bytes, status: int, why: str
) -> None:
    with pytest.raises(SourceRefused, match=why):
        await first(source_of(says(body, status)))


async def test_a_token_is_sent_and_never_said(says: Callable[[bytes, int], str]) -> None:
    url = says(b"", 401)
    seen = await first(source_of(url, headers={"Authorization": "Bearer sesame"}))
    assert seen.values == {"secret": 1}
    with pytest.raises(SourceRefused) as caught:
        await first(source_of(url.replace("http://", "http://u:hunter2@") + "x"))
    assert "sesame" not in str(seen) + str(caught.value)
    assert "hunter2" not in str(caught.value)


async def test_lines_that_are_none_are_counted(says: Callable[[bytes, int], str]) -> None:
    seen = await first(source_of(says(b"good 1\nbad\nnan NaN\ninf +Inf\n", 200)))
    assert seen.values == {"good": 1}
    assert seen.attrs == {"unread": "1"}


# The format

_LABELS = st.dictionaries(st.sampled_from(["a", "b", "code"]), st.text(max_size=8), max_size=3)
_NAMES = st.sampled_from(["up", "http_requests_total", "node:load", "x_bucket"])


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


@given(st.lists(st.tuples(_NAMES, _LABELS, st.floats(allow_nan=False)), max_size=8))
def test_it_reads_what_a_whole_library_reads(lines: list[tuple[str, dict[str, str], float]]) -> None:
    text = "".join(
        name
        + ("{" + ",".join(f'{key}="{_escaped(value)}"' for key, value in labels.items()) + "}" if labels else "")
        + f" {value!r}\n"
        for name, labels, value in lines
    )
    theirs = sorted(
        (sample.name, tuple(sorted(sample.labels.items())), sample.value)
        for each in text_string_to_metric_families(text)
        for sample in each.samples
    )
    told = parse(text)
    assert sorted((each.name, each.labels, each.value) for each in told.samples) == theirs
    assert told.unread == 0


@given(st.text(max_size=200))
def test_any_text_is_read_or_counted(text: str) -> None:
    told = parse(text)
    assert len(told.samples) + told.unread <= len(text.split("\n"))


@pytest.mark.parametrize("generate", [generate_latest, generate_openmetrics])
def test_both_formats_say_the_same(generate: Callable[[CollectorRegistry], bytes]) -> None:
    registry = CollectorRegistry()
    Counter("jobs", "jobs", registry=registry).inc(3, exemplar={"trace": "x"})
    Histogram("took_seconds", "it took", buckets=(1,), registry=registry).observe(0.5, exemplar={"trace": "y"})
    Gauge("level", 'with a "quoted" help', ["at"], registry=registry).labels('a "b" \\ c').set(-1.5)
    told = parse(generate(registry).decode())
    assert told.unread == 0
    kinds = {sample.name: sample.kind for sample in told.samples}
    assert kinds["jobs_total"] == "counter"
    assert kinds["took_seconds_bucket"] == "histogram"
    assert Sample("level", (("at", 'a "b" \\ c'),), -1.5, "gauge") in told.samples


@pytest.mark.parametrize(
    ("line", "sample"),
    [
        ('{"my.metric",a="b"} 1', Sample("my.metric", (("a", "b"),), 1)),
        ('x{"my.label"="b"} 1', Sample("x", (("my.label", "b"),), 1)),
        ('x{a="b",} 1 1700000000', Sample("x", (("a", "b"),), 1)),
        ("x{} 0x", None),
        ("x 1_000", None),
        ("x 1 2 3", None),
        ('x{a="b" 1', None),
        ("x1", None),
        ('{a="b"} 1', None),
    ],
)
def test_single_lines(line: str, sample: Sample | None) -> None:
    assert parse(line).samples == ([sample] if sample else [])


# Series


def counter(total: float) -> list[Sample]:
    return [Sample("jobs_total", (), total, "counter")]


def test_a_counter_that_began_anew_has_no_rate() -> None:
    series = Series(10)
    assert series.values(counter(100), 0) == {}
    assert series.values(counter(160), 30) == {"jobs_per_s": 2.0}
    assert series.values(counter(5), 60) == {}
    assert series.values(counter(35), 90) == {"jobs_per_s": 1.0}


def test_series_that_went_make_room_for_others() -> None:
    series = Series(2)

    def gauges(*names: str) -> list[Sample]:
        return [Sample(name, (), 1.0) for name in names]

    assert set(series.values(gauges("a", "b", "c"), 0)) == {"a", "b"}
    assert set(series.values(gauges("c", "d", "b"), 1)) == {"b", "c"}
    assert (series.offered, series.watched) == (3, 2)


@given(
    st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=6, unique=True),
    st.lists(st.integers(0, 50), min_size=7, max_size=7),
)
def test_a_percentile_lies_within_its_bounds(bounds: list[float], counts: list[int]) -> None:
    total, buckets = 0, list[Sample]()
    for bound, count in zip([*sorted(bounds), math.inf], counts):
        total += count
        buckets.append(Sample("x_bucket", (("le", str(bound)),), total, "histogram"))
    series = Series(10)
    series.values([Sample("x_count", (), 0, "histogram"), *(Sample(b.name, b.labels, 0, b.kind) for b in buckets)], 0)
    values = series.values([Sample("x_count", (), total, "histogram"), *buckets], 1)
    if total:
        assert min(0.0, *bounds) - 1 <= values["x_p95"] <= max(0.0, *bounds) + 1
    assert values["x_count_per_s"] == total


def test_a_large_scrape_is_read_in_bounded_time_and_memory() -> None:
    text = "".join(f'x_total{{pod="p{number}"}} {number}\n' for number in range(100_000))
    series = Series(200)
    for at in (0, 1):
        assert len(series.values(parse(text).samples, at)) <= 200
