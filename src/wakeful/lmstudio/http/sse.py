"""Server-sent events from bytes, without I/O.

Source: WHATWG HTML, section 9.2.6 "Interpreting an event stream"; `id:` and `retry:` mean nothing to us,
since a generation can't be resumed by reconnecting.
"""

from dataclasses import dataclass

from wakeful.lmstudio.errors import AnswerTooLarge

MAX_EVENT_BYTES = 64 * 1024 * 1024
"""The largest single event we hold: far above any real one (a whole answer is below 1 MB)."""

_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """One event. data: its data lines joined by newlines, as bytes; name: "" for an unnamed one."""

    data: bytes
    name: str = ""


class SSEParser:
    """Turns bytes into events, however the bytes were cut into pieces.

    Understands LF, CRLF and CR, comments, `event:`, data over several lines, a missing space after the colon.
    max_event_bytes: a line or an event longer than this raises AnswerTooLarge, so that memory stays bounded
    """

    def __init__(self, *, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._max = max_event_bytes
        self._rest = bytearray()  # the unfinished line
        self._data: list[bytes] = []
        self._data_bytes = 0
        self._name = ""
        self._after_cr = False
        self._at_start = True

    def feed(self, data: bytes) -> list[ServerSentEvent]:
        """The events that `data` completes, oldest first. Raises AnswerTooLarge."""
        events: list[ServerSentEvent] = []
        if self._after_cr and data:
            self._after_cr = False
            if data[:1] == b"\n":  # a CRLF cut in two: its line was ended by the CR
                data = data[1:]
        if b"\n" not in data and b"\r" not in data:
            self._keep(data)
            return events
        if data[-1:] == b"\r":
            self._after_cr = True
        if b"\r" in data:
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        lines = data.split(b"\n")
        self._keep(lines[0])
        lines[0] = bytes(self._rest)
        rest = lines.pop()
        self._rest.clear()
        for line in lines:
            self._line(line, events)
        self._keep(rest)
        return events

    def close(self) -> list[ServerSentEvent]:
        """The event that the stream left without the blank line after it, if any; servers do that."""
        events: list[ServerSentEvent] = []
        last = bytes(self._rest)
        self._rest.clear()
        if last:
            self._line(last, events)
        self._line(b"", events)
        return events

    def _keep(self, piece: bytes) -> None:
        self._rest += piece
        if len(self._rest) > self._max:
            raise self._too_large()

    def _line(self, line: bytes, events: list[ServerSentEvent]) -> None:
        if self._at_start:
            self._at_start = False
            line = line.removeprefix(_BOM)
        if not line:
            if self._data:
                events.append(ServerSentEvent(b"\n".join(self._data), self._name))
                self._data, self._data_bytes = [], 0
            self._name = ""
            return
        field, _, value = line.partition(b":")
        if value[:1] == b" ":
            value = value[1:]
        if field == b"data":
            self._data.append(value)
            self._data_bytes += len(value) + 16  # an empty line costs memory too
            if self._data_bytes > self._max:
                raise self._too_large()
        elif field == b"event":
            self._name = value.decode("utf-8", "replace")

    def _too_large(self) -> AnswerTooLarge:
        return AnswerTooLarge(f"The server sent a single event of more than {self._max:,} bytes.")
