"""Web addresses, asked again and again: whether they answer, with what, how fast, and until when they are trusted."""

import asyncio
import hashlib
import math
import time
from collections import deque
from collections.abc import AsyncGenerator, Iterator, Mapping

import msgspec

from wakeful.events import Form, Observation
from wakeful.sources.certificate import expires_at
from wakeful.sources.contents import MAX_FILE_BYTES, changed_lines
from wakeful.sources.errors import SourceError
from wakeful.sources.source import Clock
from wakeful.sources.web import CertificateRefused, Page, Web, check_url, shown

EVERY_S = 60.0
TIMEOUT_S = 10.0
AGAIN_S = 2.0
"""A failure is told when a second try, so much later, failed too."""

MAX_BODY_BYTES = 1024 * 1024
CERTIFICATE_S = 3600.0
"""How often the certificate is looked at."""

DAYS = (0, 1, 3, 7, 14, 30)
"""Days left at which a certificate's end is told."""

LIVELY, OF_LAST = 3, 10
"""A body that changed so often in so many looks changes by nature, and its changes are no news."""


class _Last(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was last told. problem: why it was down, "" when it was up; days: the step of `DAYS` that was told."""

    status: int = 0
    problem: str = ""
    digest: str = ""
    days: int | None = None


class HttpSource:
    """One web address.

    url: http or https; a user and password in it are used, and never said
    name: how it is called, "" for its host and path; observations are named `http:NAME`
    every_s, timeout_s: from question to question, and how long an answer may take
    headers: sent along, such as Authorization; their values are never said
    expects: what the body has to contain, "" for nothing
    body: whether changes of the body are told
    verify, ca_file: whether a certificate has to be valid, and who vouches for it (a file, "" for the system's)
    """

    def __init__(
        self,
        url: str,
        *,
        name: str = "",
        every_s: float = EVERY_S,
        timeout_s: float = TIMEOUT_S,
        headers: Mapping[str, str] | None = None,
        expects: str = "",
        body: bool = True,
        verify: bool = True,
        ca_file: str = "",
        again_s: float = AGAIN_S,
        now_ns: Clock = time.time_ns,
    ) -> None:
        self._url = check_url(url, name)
        self._title = name or shown(self._url)
        self.name = f"http:{self._title}"
        self._every_s = every_s
        self._timeout_s = timeout_s
        self._web = Web(headers=headers, timeout_s=timeout_s, verify=verify, ca_file=ca_file)
        self._expects = expects
        self._body = body
        self._again_s = again_s
        self._now_ns = now_ns

    async def observe(self, resume: str) -> AsyncGenerator[Observation, None]:
        """The figures of each look, and before them what changed since the last one; never ends."""
        loop = asyncio.get_running_loop()
        changes = _Changes(self._title, _decode(resume), self._body)
        certificate = _Certificate(self._url, self._timeout_s)
        async with self._web:
            while True:
                begun = loop.time()
                page, problem = await self._look()
                days = await certificate.days_left(self._now_ns() / 1e9, anew=isinstance(problem, CertificateRefused))
                at_ns = self._now_ns()
                told = [*changes.of_answer(page, problem), *changes.of_certificate(days)]
                place = msgspec.json.encode(changes.last).decode()
                for text, attrs in told:
                    yield self._observation("state", text, at_ns, place, attrs=attrs)
                yield self._figures(page, problem, days, at_ns, place)
                await asyncio.sleep(max(0.0, begun + self._every_s - loop.time()))

    async def _look(self) -> tuple[Page | None, SourceError | None]:
        page, problem = await self._try()
        if problem is not None and not isinstance(problem, CertificateRefused):
            await asyncio.sleep(min(self._again_s, self._every_s))
            page, problem = await self._try()
        return page, problem

    async def _try(self) -> tuple[Page | None, SourceError | None]:
        try:
            page = await self._web.ask(self._url, max_bytes=MAX_BODY_BYTES)
        except SourceError as error:
            return None, error
        if self._expects and self._expects not in (page.text or page.body.decode("utf-8", "replace")):
            return page, SourceError("its body lacks what it should contain")
        return page, None

    def _figures(
        self, page: Page | None, problem: SourceError | None, days: float | None, at_ns: int, place: str
    ) -> Observation:
        up = problem is None and page is not None and page.status < 500
        values = {"up": float(up)}
        text = f"{self._title} is down: {problem.message}" if problem is not None else ""
        if page is not None:
            values |= {
                "status": float(page.status),
                "latency_s": round(page.latency_s, 4),
                "body_bytes": float(len(page.body)),
            }
            text = text or f"{self._title} answers {page.status} in {page.latency_s:.2f} s"
        if days is not None:
            values["certificate_days"] = round(days, 2)
            text += f", certificate {_days(days)}"
        return self._observation("metrics", text, at_ns, place, values=values)

    def _observation(
        self,
        form: Form,
        text: str,
        at_ns: int,
        place: str,
        *,
        values: Mapping[str, float] | None = None,
        attrs: Mapping[str, str] | None = None,
    ) -> Observation:
        return Observation(
            at_ns=at_ns,
            source=self.name,
            form=form,
            text=text,
            values=dict(values or {}),
            attrs={"url": shown(self._url)} | dict(attrs or {}),
            subject=self._title,
            resume=place,
        )


_Told = tuple[str, dict[str, str]]


class _Changes:
    """What differs from what was last told."""

    def __init__(self, title: str, last: _Last, body: bool) -> None:
        self.last = last
        self._title = title
        self._body = body
        self._text: str | None = None
        self._lively: deque[bool] = deque(maxlen=OF_LAST)

    def of_answer(self, page: Page | None, problem: SourceError | None) -> Iterator[_Told]:
        if problem is not None:
            if self.last.problem != problem.message:
                yield f"{self._title} is down: {problem.message}", {"problem": problem.message}
            self.last = msgspec.structs.replace(self.last, problem=problem.message)
            return
        assert page is not None
        was = self.last
        if was.problem:
            yield f"{self._title} is up again: it answers {page.status}", {"status": str(page.status)}
        elif was.status and was.status != page.status:
            yield f"{self._title} answers {page.status} (was {was.status})", {"status": str(page.status)}
        elif not was.status and page.status >= 400:
            yield f"{self._title} answers {page.status}", {"status": str(page.status)}
        yield from self._of_body(page, compared=was.status == page.status)
        self.last = msgspec.structs.replace(self.last, status=page.status, problem="")

    def _of_body(self, page: Page, *, compared: bool) -> Iterator[_Told]:
        if not self._body:
            return
        digest = hashlib.blake2b(page.body, digest_size=8).hexdigest()
        text = page.text if len(page.body) <= MAX_FILE_BYTES else None
        changed = compared and self.last.digest not in ("", digest)
        if changed and sum(self._lively) < LIVELY:
            diff = changed_lines(self._text, text) if self._text is not None and text is not None else ""
            yield (
                f"{self._title}: its body changed" + (f": {diff}" if diff else ""),
                {"body_bytes": str(len(page.body))},
            )
        if compared:
            self._lively.append(changed)
        self._text = text
        self.last = msgspec.structs.replace(self.last, digest=digest)

    def of_certificate(self, days: float | None) -> Iterator[_Told]:
        if days is None:
            return
        step = next((step for step in DAYS if days <= step), None)
        if step is not None and (self.last.days is None or step < self.last.days):
            yield f"the certificate of {self._title} {_ends(days)}", {"certificate_days": f"{days:.1f}"}
        self.last = msgspec.structs.replace(self.last, days=step)


class _Certificate:
    """When the certificate ends, looked up seldom."""

    def __init__(self, url: str, limit_s: float) -> None:
        self._url = url
        self._limit_s = limit_s
        self._at = -math.inf
        self._expires: float | None = None

    async def days_left(self, now_s: float, *, anew: bool) -> float | None:
        """Days, negative when it has ended; None where there is none or it can't be read."""
        now = time.monotonic()
        if anew or now - self._at >= CERTIFICATE_S:
            self._at = now
            try:
                self._expires = await expires_at(self._url, limit_s=self._limit_s)
            except SourceError:  # the look itself says that the server is away
                self._at = -math.inf if self._expires is None else now
        return (self._expires - now_s) / 86_400 if self._expires is not None else None


def _days(days: float) -> str:
    return f"{days:.0f} days" if days >= 2 else f"{days * 24:.0f} hours" if days > 0 else "expired"


def _ends(days: float) -> str:
    return f"ends in {_days(days)}" if days > 0 else "has expired"


def _decode(resume: str) -> _Last:
    try:
        return msgspec.json.decode(resume, type=_Last) if resume else _Last()
    except msgspec.DecodeError:
        return _Last()
