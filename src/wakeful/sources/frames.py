"""Log streams of Docker and Podman: frames of a head of 8 bytes and a body."""

_HEAD = 8
_STREAMS = {0: "stdin", 1: "stdout", 2: "stderr"}


class FrameError(ValueError):
    """The bytes are no frames."""


class FrameReader:
    """Parts a multiplexed stream; its pieces may be cut at any byte.

    A head is the stream's number, three zeros, and the body's length (big-endian). Bodies are handed out as
    they come, so a frame of gigabytes takes no memory.
    """

    def __init__(self) -> None:
        self._head = b""
        self._left = 0
        self._stream = "stdout"

    def feed(self, data: bytes) -> list[tuple[str, bytes]]:
        """The pieces of bodies in `data`, each with its stream's name.

        Raises FrameError when a head is none.
        """
        pieces: list[tuple[str, bytes]] = []
        at = 0
        while at < len(data):
            if self._left:
                piece = data[at : at + self._left]
                pieces.append((self._stream, piece))
                self._left -= len(piece)
                at += len(piece)
                continue
            part = data[at : at + _HEAD - len(self._head)]
            self._head += part
            at += len(part)
            if len(self._head) == _HEAD:
                self._begin(self._head)
                self._head = b""
        return pieces

    def _begin(self, head: bytes) -> None:
        if head[0] not in _STREAMS or head[1:4] != b"\0\0\0":
            raise FrameError(f"no frame: {head!r}")
        self._stream = _STREAMS[head[0]]
        self._left = int.from_bytes(head[4:], "big")
