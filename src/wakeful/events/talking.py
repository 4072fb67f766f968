"""What the user says to the mind, and what it answers. How these may change: see `model`."""

from wakeful.events.model import Event
from wakeful.events.words import Provenance


class Feedback(Event, frozen=True, kw_only=True, tag="feedback"):
    """What the user said of an entry: whether knowing it was useful; its sources are trusted more or less for it."""

    about: int
    useful: bool
    sources: tuple[str, ...] = ()
    provenance: Provenance = "user"

    @property
    def origin(self) -> str:
        return "user"

    @property
    def body(self) -> str:
        return f"#{self.about} was {'useful' if self.useful else 'not useful'}"


class Question(Event, frozen=True, kw_only=True, tag="question"):
    """What a person asked. awaited: whether the running mind is to answer it; else who asked sees to the answer."""

    text: str
    awaited: bool = False
    provenance: Provenance = "user"

    @property
    def origin(self) -> str:
        return "user"

    @property
    def body(self) -> str:
        return self.text


class Answer(Event, frozen=True, kw_only=True, tag="answer"):
    """What the mind answered, and the entries that it used."""

    question: int
    text: str
    evidence: tuple[int, ...]
    model: str
    pilot: bool = False
    provenance: Provenance = "model"

    @property
    def origin(self) -> str:
        return "mind"

    @property
    def body(self) -> str:
        return self.text
