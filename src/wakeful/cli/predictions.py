"""`wakeful predictions`: what was predicted, how it turned out, and how good the mind is at it."""

import time
from pathlib import Path

import msgspec
from rich.console import Console
from rich.text import Text

from wakeful.context import as_data
from wakeful.journal import Journal
from wakeful.mind import Calibration, Forecast, Forecasts, forecasts

_STYLE = {"true": "green", "false": "red", "open": "cyan", "unverified": "dim"}


async def show_predictions(file: Path, *, since_ns: int | None, limit: int, as_json: bool) -> None:
    """Prints the newest predictions, and the scores of all in the period."""
    async with await Journal.open(file, read_only=True) as journal:
        found = await forecasts(journal, since_ns=since_ns, limit=limit)
    if as_json:
        print(msgspec.json.encode(found).decode())
        return
    console = Console(highlight=False, soft_wrap=True)
    for each in found.forecasts:
        console.print(_line(each))
    for line in scores_in_words(found):
        console.print(Text(line))


def scores_in_words(found: Forecasts) -> list[str]:
    """The scores, a line each; why there are none where there are none."""
    scores = found.calibration
    unverified = f"{found.unverified} in words only, or not to be told"
    if scores.brier is None or scores.base_brier is None:
        return [f"None of them is resolved yet ({unverified}); how good they are can be said once some are."]
    lines = [
        f"{scores.resolved} resolved, {found.open} open, {unverified}",
        f"Brier score {scores.brier:.3f}, log score {scores.log_score_nats:.3f} nats; the base rate had a Brier score "
        f"of {scores.base_brier:.3f}" + (f", so the skill is {scores.skill:+.2f}" if scores.skill is not None else ""),
    ]
    return lines + _reliability(scores)


def _reliability(scores: Calibration) -> list[str]:
    return [
        f"  said {each.said:>4.0%}, came true {each.happened:>4.0%}  {'█' * round(each.happened * 20):<20} {each.count}"
        for each in scores.bins
    ]


def _line(each: Forecast) -> Text:
    made = time.strftime("%d %b %H:%M", time.localtime(each.made_ns / 1e9))
    text = Text(f"#{each.seq}  {made}  {each.probability:>4.0%}  ")
    text.append(f"{each.state:<10}  ", _STYLE[each.state])
    text.append(as_data(each.words))
    for more in (each.condition, each.why):
        if more:
            text.append(f"  [{as_data(more)}]", "dim")
    return text
