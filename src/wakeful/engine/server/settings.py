"""How the server listens, whom it lets in, and how much it takes."""

from pathlib import Path

import msgspec


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The most that one request may hold; whoever goes beyond is told which limit it was.

    body_s: how long a body may take to come
    depth: of lists and objects within each other, in a request's JSON
    images: in one request, image_bytes: of each, decoded
    batch: texts to embed; stop_strings: as in OpenAI's own API, where four are allowed, but LM Studio takes more
    socket_bytes: of one frame at the WebSocket
    """

    body_bytes: int = 64 * 1024 * 1024
    body_s: float = 120.0
    depth: int = 100
    messages: int = 10_000
    images: int = 32
    image_bytes: int = 24 * 1024 * 1024
    batch: int = 2048
    stop_strings: int = 64
    tools: int = 512
    socket_bytes: int = 64 * 1024 * 1024


class KeepSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How long conversations are kept that clients go on from by an id.

    folder: where they outlive the server; None for memory only
    age_s: LM Studio keeps them for 30 days; count, size_bytes: the oldest go first
    """

    folder: Path | None = None
    age_s: float = 30 * 86400.0
    count: int = 10_000
    size_bytes: int = 256 * 1024 * 1024


class ServerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How the server is reached and how exactly it is LM Studio.

    port: 0 for any that is free
    tokens: of which every request has to show one; () asks for none, which only a loopback `host` may
    discoverable: LM Studio's own SDKs find it without being told its address, on one of the five ports where they look
    cors: any page may call it, as with LM Studio's switch of that name
    exact: unknown routes get LM Studio's 200 in place of 404, and every answer says `X-Powered-By: Express`
    think_tags: the thinking stays in the text between `<think>` and `</think>`, as with LM Studio's developer
        setting turned off; else it comes apart, in `reasoning_content`
    keepalive_s: how long an idle connection is kept; stop_wait_s: how long a stopping server lets answers come to
        their end before it breaks them off
    """

    host: str = "127.0.0.1"
    port: int = 1234
    tokens: tuple[str, ...] = ()
    discoverable: bool = False
    cors: bool = False
    exact: bool = False
    think_tags: bool = False
    keepalive_s: float = 5.0
    stop_wait_s: float = 5.0
    limits: Limits = Limits()
    keep: KeepSettings = KeepSettings()
