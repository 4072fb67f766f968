"""What other programs post to the page's server; each post is acknowledged once the journal holds it."""

import asyncio
import hashlib
import hmac
import time
from collections import deque
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qs

from wakeful.events import Observation
from wakeful.sources.errors import SourceError
from wakeful.sources.flatten import MAX_TEXT_CHARS, decode
from wakeful.sources.posts import Post, read_post
from wakeful.sources.source import Clock

Delivery = Literal["kept", "full", "late", "unreadable"]
"""What became of a post: the journal holds it; too many wait; the journal did not take it in time; it is no text."""

MAX_WAITING = 100
"""Posts of one hook that wait for the journal; more are turned away."""

KEEP_S = 10.0
"""How long a post waits for the journal before its sender is told to come again."""

MAX_NAMES = 500
"""Names of values of one hook: the first that came are told, so that names made up by a sender don't pile up."""

MIN_TOKEN_CHARS = 16
_SIGNATURE = "sha256="


@dataclass(eq=False, slots=True)
class _Waiting:
    """A post on its way to the journal. left: its observations that are not there yet"""

    observations: list[Observation]
    kept: asyncio.Future[None]
    left: int


class WebhookSource:
    """A hook at the page's server, `/hook/NAME`; observations are named `webhook:NAME`.

    name: of the hook, as it stands in the address
    token: what a sender has to show, at least 16 characters long; or what it signs its posts with, as GitHub does

    A sender that was told to come again may have been heard all the same, when the journal took long: a post is
    kept at least once.
    """

    def __init__(self, name: str, token: str, *, keep_s: float = KEEP_S, now_ns: Clock = time.time_ns) -> None:
        if not name or not all(each.isascii() and (each.isalnum() or each in "-_.") for each in name):
            raise SourceError("a webhook's name stands in its address", hint="Use letters, digits, - _ and . only.")
        if len(token) < MIN_TOKEN_CHARS:
            raise SourceError(
                f"the token of the webhook {name} is too short",
                hint=f"Use {MIN_TOKEN_CHARS} random characters or more.",
            )
        self.name = f"webhook:{name}"
        self.hook = name
        self._token = token.encode()
        self._keep_s = keep_s
        self._now_ns = now_ns
        self._open = 0
        self._names: set[str] = set()
        self._queue: deque[_Waiting] = deque()
        self._read: dict[int, tuple[Observation, _Waiting]] = {}  # by the observation's identity
        self._arrived = asyncio.Event()

    # What the page's server asks

    def allows(self, token: str) -> bool:
        """Whether it is the hook's token; takes the same time however much of it is right."""
        return hmac.compare_digest(token.encode("utf-8", "surrogatepass"), self._token)

    def signed(self, body: bytes, signature: str) -> bool:
        """Whether a body was signed with the token: `sha256=…`, as in X-Hub-Signature-256."""
        wanted = _SIGNATURE + hmac.new(self._token, body, hashlib.sha256).hexdigest()
        return hmac.compare_digest(signature.encode("utf-8", "surrogatepass"), wanted.encode())

    @property
    def full(self) -> bool:
        """Whether no more posts are taken at the moment."""
        return self._open >= MAX_WAITING

    async def deliver(self, body: bytes, headers: Mapping[str, str]) -> Delivery:
        """Takes a post over, and returns when the journal holds it, or does not. headers: names in lower case."""
        if self.full:
            return "full"
        try:
            posts = _posts(body, headers)
        except ValueError:
            return "unreadable"
        at_ns = self._now_ns()
        told = [self._observation(post, at_ns) for post in posts]
        waiting = _Waiting(told, asyncio.get_running_loop().create_future(), len(told))
        self._open += 1
        self._queue.append(waiting)
        self._arrived.set()
        try:
            async with asyncio.timeout(self._keep_s):
                await waiting.kept
        except TimeoutError:
            return "late"
        else:
            return "kept"
        finally:
            self._open -= 1
            if waiting in self._queue:  # nobody has read it, so nobody will
                self._queue.remove(waiting)

    def _observation(self, post: Post, at_ns: int) -> Observation:
        room = MAX_NAMES - len(self._names)
        self._names |= set([name for name in post.values if name not in self._names][:room])
        values = {name: value for name, value in post.values.items() if name in self._names}
        return Observation(
            at_ns=at_ns, source=self.name, form="text", text=post.text, values=values, subject=post.subject
        )

    # What `supervise` asks

    async def observe(self, resume: str) -> AsyncGenerator[Observation, None]:
        """Posts as they come; never ends. What came while Wakeful did not run was turned away, and is sent again."""
        while True:
            while self._queue:
                waiting = self._queue.popleft()
                for observation in waiting.observations:
                    self._read[id(observation)] = (observation, waiting)
                    yield observation
            self._arrived.clear()
            await self._arrived.wait()

    def stored(self, batch: Sequence[Observation]) -> None:
        """The journal holds these now; their senders are told."""
        for observation in batch:
            _, waiting = self._read.pop(id(observation), (None, None))
            if waiting is None:  # one of the supervisor's own
                continue
            waiting.left -= 1
            if not waiting.left and not waiting.kept.done():
                waiting.kept.set_result(None)


def _posts(body: bytes, headers: Mapping[str, str]) -> list[Post]:
    """Raises ValueError where a body is neither JSON nor text."""
    kind = headers.get("content-type", "").partition(";")[0].strip().casefold()
    if kind == "application/x-www-form-urlencoded":
        form = parse_qs(body.decode("utf-8"), max_num_fields=100)
        fields = {key: values[0] for key, values in form.items()}
        return read_post(decode(fields["payload"].encode()) if "payload" in fields else fields, headers)
    if kind == "text/plain":
        text = body.decode("utf-8").strip()
        return [Post(text[:MAX_TEXT_CHARS] or "an empty post")]
    return read_post(decode(body), headers)
