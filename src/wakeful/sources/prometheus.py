"""Exporters of Prometheus, scraped: figures of other machines and of programs that tell theirs."""

import asyncio
import fnmatch
import re
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence

from wakeful.events import Observation
from wakeful.sources.errors import SourceRefused
from wakeful.sources.exposition import Exposition, parse
from wakeful.sources.series import Series
from wakeful.sources.source import Clock
from wakeful.sources.web import Web, check_url, shown

EVERY_S = 30.0
TIMEOUT_S = 10.0
MAX_BODY_BYTES = 16 * 1024 * 1024
MAX_SERIES = 200
TOLD = 8
"""Values that the text names; all of them are in `values`."""

_ACCEPT = "application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.9,*/*;q=0.1"


class PrometheusSource:
    """One exporter.

    url: of its metrics, such as http://box:9100/metrics
    name: how it is called, "" for its host; observations are named `prometheus:NAME`
    metrics: which, as patterns such as `node_load*`; with a `!` before it, which not; all when empty
    max_series: more are not told, which is said
    headers, verify, ca_file: as of `HttpSource`

    Counters become rates (`_total` becomes `_per_s`), histograms and summaries a rate, a mean and, where they have
    buckets, a 95th percentile over the time since the last scrape.
    """

    def __init__(
        self,
        url: str,
        *,
        name: str = "",
        metrics: Sequence[str] = (),
        every_s: float = EVERY_S,
        timeout_s: float = TIMEOUT_S,
        max_series: int = MAX_SERIES,
        headers: Mapping[str, str] | None = None,
        verify: bool = True,
        ca_file: str = "",
        now_ns: Clock = time.time_ns,
    ) -> None:
        self._url = check_url(url, name)
        self._title = name or shown(self._url).removesuffix("/metrics")
        self.name = f"prometheus:{self._title}"
        self._wanted = _chosen(metrics)
        self._every_s = every_s
        self._max_series = max_series
        sent = {"Accept": _ACCEPT} | dict(headers or {})
        self._web = Web(headers=sent, timeout_s=timeout_s, verify=verify, ca_file=ca_file)
        self._now_ns = now_ns

    async def observe(self, resume: str) -> AsyncGenerator[Observation, None]:
        """One observation for each scrape; raises SourceError when one fails. There is nothing to resume."""
        loop = asyncio.get_running_loop()
        series = Series(self._max_series)
        told_offered = 0
        async with self._web:
            while True:
                begun = loop.time()
                at, told = await self._scrape()
                values = series.values(told.samples, at)
                if series.offered > max(2 * told_offered, series.watched):
                    told_offered = series.offered
                    yield self._too_many(series)
                yield self._figures(values, told)
                await asyncio.sleep(max(0.0, begun + self._every_s - loop.time()))

    async def _scrape(self) -> tuple[float, Exposition]:
        page = await self._web.ask(self._url, max_bytes=MAX_BODY_BYTES)
        at = time.monotonic()
        if page.status != 200:
            hint = "Does it want a token? Give it in `headers`." if page.status in (401, 403) else "Check the url."
            raise SourceRefused(f"it answers {page.status}", hint=hint)
        if page.cut:
            limit = f"{MAX_BODY_BYTES // 2**20} MB"
            raise SourceRefused(f"it says more than {limit}", hint="Let the exporter collect less.")
        told = await asyncio.to_thread(parse, page.body.decode("utf-8", "replace"), self._wanted)
        if told.unread and not told.samples and not told.other:
            raise SourceRefused("what it says is no Prometheus text", hint="Most exporters speak at /metrics.")
        return at, told

    def _figures(self, values: Mapping[str, float], told: Exposition) -> Observation:
        some = ", ".join(f"{name} {value:g}" for name, value in list(values.items())[:TOLD])
        more = f" and {len(values) - TOLD} more" if len(values) > TOLD else ""
        attrs = {"unread": str(told.unread)} if told.unread else {}
        return Observation(
            at_ns=self._now_ns(),
            source=self.name,
            form="metrics",
            text=f"{self._title}: {some or 'no values yet'}{more}",
            values=dict(values),
            attrs=attrs,
        )

    def _too_many(self, series: Series) -> Observation:
        return Observation(
            at_ns=self._now_ns(),
            source=self.name,
            form="state",
            text=f"{self._title} offers {series.offered:,} series, of which {series.watched:,} are watched: "
            "choose with `metrics` of this source",
            attrs={"offered": str(series.offered), "watched": str(series.watched)},
        )


def _chosen(patterns: Sequence[str]) -> Callable[[str], bool]:
    """Whether a metric is wanted, by its name or the name of its family."""
    chosen, refused = [each for each in patterns if not each.startswith("!")], [p[1:] for p in patterns if p[:1] == "!"]
    taken = _any(chosen or ["*"])
    left = _any(refused) if refused else None

    def wanted(name: str) -> bool:
        return taken(name) is not None and (left is None or left(name) is None)

    return wanted


def _any(patterns: Sequence[str]) -> Callable[[str], re.Match[str] | None]:
    """One expression for all patterns; `x` also takes the parts of a histogram `x`."""
    parts = "(?:_bucket|_count|_sum|_total)?"
    each = (re.sub(r"\\[Zz]$", "", fnmatch.translate(pattern)) for pattern in patterns)
    return re.compile("|".join(f"{one}{parts}" for one in each)).fullmatch
