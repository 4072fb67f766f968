"""Server-sent events from bytes, without I/O.

Source: WHATWG HTML, section 9.2.6 "Interpreting an event stream"; `id:` and `retry:` mean nothing to us,
since a generation can't be resumed by reconnecting.
"""

import msgspec

from wakeful.lmstudio.errors import AnswerTooLarge

MAX_EVENT_BYTES = 64 * 1024 * 1024
"""The largest single event we hold: far above any real one (a whole answer is below 1 MB)."""

_BOM = b"\xef\xbb\xbf"
_SMALL_BYTES = 64 * 1024
"""What may be put together again and again without costing more than reading it."""


class ServerSentEvent(msgspec.Struct, frozen=True, gc=False):
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
        if self._between_lines_only and b"\r" not in data and len(self._rest) < _SMALL_BYTES:
            data = self._feed_whole_events(data, events)
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

    @property
    def _between_lines_only(self) -> bool:
        """Whether nothing of an unfinished event is held but the beginning of its first line."""
        return not (self._data or self._name or self._after_cr or self._at_start)

    def _feed_whole_events(self, data: bytes, events: list[ServerSentEvent]) -> bytes:
        """Take the whole events at the beginning of `data`; gives what is left of it.

        The short way for what servers really send: thousands of events of one data line each.
        """
        if self._rest:
            data = bytes(self._rest) + data
            self._rest.clear()
        end = data.rfind(b"\n\n")
        if end < 0:
            return data
        whole, rest = data[:end], data[end + 2 :]
        if whole[:6] == b"data: " and len(whole) <= self._max:
            each = whole[6:].split(b"\n\ndata: ")
            if whole.count(b"\n") == 2 * len(each) - 2:  # no line breaks but those between: one data line each
                events += map(ServerSentEvent, each)
                return rest
        for event in whole.split(b"\n\n"):
            for line in event.split(b"\n"):
                self._line(line, events)
            self._line(b"", events)
        return rest

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
