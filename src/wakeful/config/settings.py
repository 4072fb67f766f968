"""The settings and their defaults. Units stand in the names; 0 or "" means that Wakeful chooses."""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from wakeful.config.acting import ActionsSection, NotifySection
from wakeful.config.kinds import Ends, Port, Seconds, SecondsOrNever, Shares, StanceName, Text, Tokens
from wakeful.config.sources import SourceSettings


class ModelSection(Struct, frozen=True, forbid_unknown_fields=True):
    """Which model thinks.

    url: LM Studio's address; api_token: where it asks for one
    name: the model to think with, "" for the one that is loaded
    use: `auto` takes LM Studio if it answers and the built-in engine otherwise; `lmstudio`, `builtin`
    gguf: a model file for the built-in engine, "" for the pilot model
    context_tokens: of the loaded model, 0 for what the server says; threads: of the built-in engine
    timeout_s: how long a first word may take; reading a long prompt is slow on small machines
    """

    url: Text = "http://localhost:1234"
    api_token: str = ""
    name: str = ""
    use: Literal["auto", "lmstudio", "builtin"] = "auto"
    gguf: str = ""
    context_tokens: Tokens = 0
    threads: Annotated[int, Meta(ge=0, le=1024)] = 0
    timeout_s: Seconds = 900.0


class AttentionSection(Struct, frozen=True, forbid_unknown_fields=True):
    """What thinking may cost: thoughts an hour, tokens an hour, share of the time the model is busy (0: no limit).

    interests: words; what has to do with them is more relevant, such as `["backups"]`
    """

    thoughts_per_hour: Annotated[float, Meta(gt=0, le=1_000_000)] = 6.0
    tokens_per_hour: Tokens = 0
    busy_share: Annotated[float, Meta(ge=0, le=1)] = 0.0
    interests: list[Text] = field(default_factory=list[Text])


class ThinkingSection(Struct, frozen=True, forbid_unknown_fields=True):
    """How it thinks.

    idle_every_s: a thought after so much quiet, 0 for never; quiet_every_s: between two proofs of being awake
    reflect_every_s: between two looks at its own figures, 0 for never
    stance: how a model is asked to think: plainly, by the Free Energy Principle, on three levels, or field by field
    prompt: a file with a prompt of yours in its place
    """

    max_answer_tokens: Annotated[int, Meta(ge=100, le=1_000_000)] = 500
    temperature: Annotated[float, Meta(ge=0, le=2)] = 0.2
    first_look: bool = True
    idle_every_s: SecondsOrNever = 0.0
    quiet_every_s: Seconds = 3600.0
    reflect_every_s: SecondsOrNever = 21_600.0
    stance: StanceName = "base"
    prompt: str = ""


class TuningSection(Struct, frozen=True, forbid_unknown_fields=True):
    """What it may change about itself, from where to where, such as `threshold = [0.4, 0.7]`; equal ends: nothing.

    threshold: the salience that wakes it; idle_every_s: the quiet before an idle thought
    keep_share: of the room for turns, what compaction leaves filled
    stance: the stances that it may change to, in this order, such as `["base", "structured"]`
    """

    threshold: Ends = field(default_factory=lambda: [0.0, 0.0])
    idle_every_s: Ends = field(default_factory=lambda: [0.0, 0.0])
    keep_share: Shares = field(default_factory=lambda: [0.0, 0.0])
    stance: list[StanceName] = field(default_factory=list[StanceName])


class JournalSection(Struct, frozen=True, forbid_unknown_fields=True):
    """Where it keeps what happened, "" for the platform's data folder, and for how long."""

    home: str = ""
    keep_days: Annotated[float, Meta(gt=0, le=36_525)] = 90.0
    max_gb: Annotated[float, Meta(gt=0, le=1_000_000)] = 2.0


class PageSection(Struct, frozen=True, forbid_unknown_fields=True):
    """The live page. token: needed where host is not this machine itself."""

    enabled: bool = True
    host: Text = "127.0.0.1"
    port: Port = 8765
    token: str = ""


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """Everything. sources: of the `[[source]]` tables; default_sources: whether the usual ones come as well."""

    model: ModelSection = ModelSection()
    attention: AttentionSection = AttentionSection()
    thinking: ThinkingSection = ThinkingSection()
    tuning: TuningSection = TuningSection()
    journal: JournalSection = JournalSection()
    page: PageSection = PageSection()
    notify: NotifySection = NotifySection()
    actions: ActionsSection = ActionsSection()
    source: list[SourceSettings] = field(default_factory=list[SourceSettings])
    default_sources: bool | None = None

    @property
    def sources(self) -> list[SourceSettings]:
        """The sources that the user named."""
        return self.source

    @property
    def wants_default_sources(self) -> bool:
        """Whether the usual sources are watched: yes, unless others are named, or as the user said."""
        return not self.source if self.default_sources is None else self.default_sources
