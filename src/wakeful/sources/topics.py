"""Messages of MQTT gathered for a moment and told together: numbers as values, all else as lines."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from wakeful.events import Observation
from wakeful.sources.flatten import MAX_TEXT_CHARS, Flat, decode, flatten, number
from wakeful.sources.lines import bundles

MAX_PAYLOAD_BYTES = 16 * 1024
"""What is kept of one message."""

MAX_TOPIC_CHARS = 200

MAX_LINES = 5000
"""Lines of one moment; what comes beyond them is counted."""

MAX_NAMES = 1000
"""Names of values of one broker."""

VALUES_TOLD = 64
"""Values of one observation."""


@dataclass(slots=True)
class Moment:
    """What came since the last telling. lost: messages that found no room"""

    values: dict[str, float] = field(default_factory=dict[str, float])
    texts: dict[str, str] = field(default_factory=dict[str, str])
    lines: list[str] = field(default_factory=list[str])
    messages: int = 0
    lost: int = 0


class Topics:
    """Sorts messages. The names of values are bounded: the first that came are told.

    too_many: whether there were more names than are told, since the last time that this was asked
    """

    def __init__(self, source: str, most: int = MAX_NAMES) -> None:
        self._source = source
        self._most = most
        self._names: set[str] = set()
        self._moment = Moment()
        self._crowded = False

    @property
    def waiting(self) -> bool:
        """Whether there is something to tell."""
        return bool(self._moment.messages or self._moment.lost)

    def add(self, topic: str, payload: bytes) -> None:
        """Takes one message in; of a number, the last one of the moment counts."""
        moment, topic = self._moment, topic[:MAX_TOPIC_CHARS]
        moment.messages += 1
        flat = _read(payload)
        values = {_name(topic, path): value for path, value in flat.values.items()}
        told = {name: value for name, value in values.items() if self._known(name)}
        if told:
            moment.values.update(told)
            moment.texts[topic] = flat.text
        elif not values:
            if len(moment.lines) < MAX_LINES:
                moment.lines.append(f"{topic}: {flat.text}" if flat.text else f"{topic}: (empty)")
            else:
                moment.lost += 1

    def lose(self, count: int) -> None:
        """Counts messages that were never read."""
        self._moment.lost += count

    def told(self, at_ns: int) -> Iterator[Observation]:
        """Everything that waits; then nothing does."""
        moment, self._moment = self._moment, Moment()
        names = list(moment.values)
        texts = [f"{topic} {text}" for topic, text in moment.texts.items()]
        for begin in range(0, len(names), VALUES_TOLD):
            some = names[begin : begin + VALUES_TOLD]
            text = (
                ", ".join(texts) if len(names) <= VALUES_TOLD else ", ".join(_said(n, moment.values[n]) for n in some)
            )
            yield Observation(
                at_ns=at_ns,
                source=self._source,
                form="metrics",
                text=text if len(text) <= MAX_TEXT_CHARS else text[: MAX_TEXT_CHARS - 1] + "…",
                values={name: moment.values[name] for name in some},
            )
        for bundle in bundles(moment.lines, size=len) if moment.lines else ():
            yield Observation(at_ns=at_ns, source=self._source, form="lines", text="\n".join(bundle), count=len(bundle))
        if moment.lost:
            text = f"{moment.lost:,} messages came too fast and were not read: choose fewer topics"
            yield Observation(at_ns=at_ns, source=self._source, form="state", text=text, count=moment.lost)
        if self._crowded:
            self._crowded = False
            text = f"there are more than {self._most:,} values, of which the first are watched: choose fewer topics"
            yield Observation(at_ns=at_ns, source=self._source, form="state", text=text)

    def _known(self, name: str) -> bool:
        if name in self._names:
            return True
        if len(self._names) < self._most:
            self._names.add(name)
            self._crowded = len(self._names) == self._most
            return True
        return False


def _read(payload: bytes) -> Flat:
    text = payload.decode("utf-8", "replace").strip()
    value = number(text)
    if value is not None:
        return Flat(text, {"": value})
    if text[:1] in ("{", "["):
        try:
            return flatten(decode(payload))
        except ValueError:  # cut, or no JSON after all: it is a line
            pass
    return Flat(" ".join(text.split())[:MAX_TEXT_CHARS])


def _name(topic: str, path: str) -> str:
    """`temperature:home/kitchen` of the topic home/kitchen/temperature, and of {"temperature": …} at home/kitchen."""
    if path:
        return f"{path}:{topic}"
    where, _, what = topic.rpartition("/")
    return f"{what}:{where}" if where and what else topic


def _said(name: str, value: float) -> str:
    what, _, where = name.partition(":")
    return f"{where} {what} {value:g}" if where else f"{what} {value:g}"
