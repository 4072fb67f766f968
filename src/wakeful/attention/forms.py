"""How is each form of words read? A change of files, a block of lines, an output or a text, a silence."""

from wakeful.attention.novelty import Novelty
from wakeful.attention.paths import guards
from wakeful.attention.shape import shape
from wakeful.attention.text import Scored, Speaker
from wakeful.events import Observation

_CHANGE_NATS = 3.0  # most that an ordinary file's change is worth
_AGAIN_S = 600.0
_NEW_NATS = 5.0  # most that it is worth that much of a text was never said before


def change(speaker: Speaker, observation: Observation, at_s: float) -> Scored:
    """Files come and go; those that guard access matter each time, unless the same one changed just before."""
    best: Scored = (0.0, ())
    for line in observation.text.split("\n")[: max(observation.count, 1)]:
        path = observation.subject or line.partition(" (")[0]
        key = shape(path.replace("/", " ").replace("\\", " "))
        known = speaker.shapes.get(key)
        again = known is not None and 0.0 <= at_s - known.last_s < _AGAIN_S
        nats, reasons = speaker.update(path, at_s, key=key)
        nats = min(nats, _CHANGE_NATS)
        reasons = tuple(why for why in reasons if not why.startswith("says"))
        guarded = guards(f"{path} {observation.attrs.get('to', '')}")
        if guarded and not again:
            nats = guarded
        if nats > best[0]:
            best = nats, reasons
    return best


def block(speaker: Speaker, observation: Observation, at_s: float) -> Scored:
    """A block of lines claims what its most surprising line does; lines of one shape are judged together."""
    shapes: dict[int, list[str]] = {}
    keys: dict[str, int] = {}
    lines = observation.text.split("\n")
    for line in lines:
        key = keys.get(line)
        if key is None:
            if not line.strip():
                continue
            key = keys[line] = shape(line)
        shapes.setdefault(key, []).append(line)
    best, best_line, best_reasons = -1.0, "", ()
    for key, alike in shapes.items():
        nats, reasons = speaker.update(alike[0], at_s, times=len(alike), key=key)
        if nats > best:
            best, best_line, best_reasons = nats, alike[0], reasons
    told = f"most surprising of {observation.count} lines: {best_line[:160]}"
    return max(best, 0.0), (told, *best_reasons)


def whole(speaker: Speaker, text: str, at_s: float, *, grave: tuple[float, str] = (0.0, "")) -> Scored:
    """A text that says more than one line does: by its first words, and by how much of it is new."""
    nats, reasons = speaker.update(text, at_s, grave=grave)
    if speaker.novelty is None:
        speaker.novelty = Novelty()
    fresh, share = speaker.novelty.update(text)
    fresh = min(fresh, _NEW_NATS)
    return (fresh, (f"{share:.0%} of it was never said before", *reasons)) if fresh > nats else (nats, reasons)


def silence(observation: Observation) -> Scored:
    """What the look at who is silent found, as it says itself."""
    try:
        return float(observation.attrs.get("nats", "0")), (observation.text,)
    except ValueError:
        return 0.0, (observation.text,)
