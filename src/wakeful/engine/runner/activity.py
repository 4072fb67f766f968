"""What a runner is busy with, for those who ask before they disturb it."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

Status = Literal["idle", "processingPrompt", "generating", "computingEmbedding"]
"""LM Studio's own words."""


@dataclass(slots=True)
class Activity:
    """How many requests read their prompt, write their answer, or wait for vectors."""

    reading: int = 0
    writing: int = 0
    embedding: int = 0

    @property
    def status(self) -> Status:
        """What it does, writing first."""
        if self.writing:
            return "generating"
        if self.reading:
            return "processingPrompt"
        return "computingEmbedding" if self.embedding else "idle"

    @contextmanager
    def answer(self) -> Generator["Answering"]:
        """For as long as one answer takes; call `wrote` at its first word."""
        answering = Answering(self)
        self.reading += 1
        try:
            yield answering
        finally:
            if answering.writing:
                self.writing -= 1
            else:
                self.reading -= 1

    @contextmanager
    def vectors(self) -> Generator[None]:
        """For as long as embeddings are computed."""
        self.embedding += 1
        try:
            yield
        finally:
            self.embedding -= 1


class Answering:
    """One answer under way."""

    __slots__ = ("_activity", "writing")

    def __init__(self, activity: Activity) -> None:
        self._activity = activity
        self.writing = False

    def wrote(self) -> None:
        """Its first word is there; calling it again does nothing."""
        if not self.writing:
            self.writing = True
            self._activity.reading -= 1
            self._activity.writing += 1


@runtime_checkable
class Busy(Protocol):
    """A runner that tells what it does."""

    @property
    def activity(self) -> Activity:
        """What it is busy with."""
        ...
