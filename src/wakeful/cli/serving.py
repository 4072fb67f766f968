"""What `wakeful serve` says: to a person in a few lines, to a program one JSON object a line."""

import sys
import time
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
from rich.console import Console
from rich.text import Text

import wakeful

if TYPE_CHECKING:
    from wakeful.engine.life.instance import Instance
    from wakeful.engine.testing.received import Received

_NAMES_SHOWN = 6
_STEP_S = 0.5


class Said:
    """Says what happens, in one of the two forms."""

    def __init__(self, *, as_json: bool) -> None:
        self._json = as_json
        self._console = Console(highlight=False, soft_wrap=True)
        self._status = Console(stderr=True).status("")
        self._shown_s = 0.0

    def loading(self, model: str, progress: float) -> None:
        """A model is being loaded. progress: in [0, 1]."""
        now_s = time.monotonic()
        if progress < 1 and now_s - self._shown_s < _STEP_S:
            return
        self._shown_s = now_s
        if self._json:
            self._tell("loading", model=model, progress=round(progress, 3))
        elif sys.stderr.isatty():
            self._status.update(f"loading {model}: {progress:.0%}")
            self._status.start()

    def loaded(self, instance: "Instance") -> None:
        """A model is in memory."""
        self._status.stop()
        if self._json:
            self._tell("loaded", model=instance.identifier, load_s=round(instance.load_s, 3))

    def listening(
        self,
        url: str,
        *,
        loaded: Sequence["Instance"],
        others: Sequence[str],
        faults: Sequence[str],
        admin: str,
        tokens: int,
        found_at: int | None,
        jit: bool,
    ) -> None:
        """All is ready. others: models that could be loaded; found_at: port at which LM Studio's SDKs look."""
        if self._json:
            self._tell(
                "listening",
                url=url,
                loaded=[each.identifier for each in loaded],
                models=list(others),
                faults=list(faults),
                admin_url=f"{url}/__faults" if admin else None,
                admin_token=admin or None,
                discoverable_port=found_at,
            )
            return
        head = Text(f"Wakeful {wakeful.__version__}   ").append(url, "bold")
        head.append("   speaks as LM Studio does: /v1, /api/v1, /api/v0, WebSocket", "dim")
        self._console.print(head)
        self._row("loaded", ", ".join(map(_described, loaded)) or "none")
        if others:
            more = f" and {len(others) - _NAMES_SHOWN} more" if len(others) > _NAMES_SHOWN else ""
            self._row("on demand" if jit else "on disk", f"{', '.join(others[:_NAMES_SHOWN])}{more}")
        if tokens:
            self._row("tokens", f"asked for; {tokens} known" if tokens > 1 else "asked for")
        if found_at is not None:
            self._row("found at", f"port {found_at}, where LM Studio's SDKs look by themselves")
        if faults:
            self._row("faults", "; ".join(faults))
        if admin:
            self._row("admin", f"{url}/__faults   Authorization: Bearer {admin}")
        self._row("", "Ctrl-C ends it.")

    def request(self, received: "Received") -> None:
        """A request is over."""
        took_s = received.duration_s or 0.0
        if self._json:
            self._tell(
                "request",
                method=received.method,
                path=received.path,
                status=received.status,
                duration_s=round(took_s, 4),
                client_left=received.gone,
            )
            return
        end = "client left" if received.gone else str(received.status or "broken off")
        style = "green" if (received.status or 500) < 400 and not received.gone else "yellow"
        line = (
            Text(f"{datetime.now():%H:%M:%S} ", "dim")
            .append(f"{received.method} {_plain(received.path)} ")
            .append(end, style)
        )
        self._console.print(line.append(f"  {took_s:.3f} s", "dim"))

    def stopped(self) -> None:
        """It has ended."""
        if self._json:
            self._tell("stopped")
        else:
            self._console.print("Stopped.")

    def _row(self, name: str, text: str) -> None:
        self._console.print(Text(f"{name:<10}", "dim").append(_plain(text), ""))

    def _tell(self, event: str, **more: Any) -> None:
        print(msgspec.json.encode({"event": event, **more}).decode(), flush=True)


def _described(instance: "Instance") -> str:
    kind = "embeddings, " if instance.model.kind == "embedding" else ""
    return f"{instance.identifier} ({kind}{instance.context_length:,} tokens of context)"


def _plain(text: str) -> str:
    """Names and paths come from outside; what is in them must not steer the terminal that they are printed on."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)
