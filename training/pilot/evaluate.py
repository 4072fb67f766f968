"""Measures the model through the real engine: `python -m training.pilot.evaluate MODEL.gguf`.

Names, numbers and filler words come from the world that training never draws from. The goals, of the first
split: valid JSON 100 %, severity right 97 %, entity copied exactly 98 %, numbers copied exactly 98 %.
"""

import argparse
import json
import random
import re
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from tokenizers import Tokenizer

from training.pilot import real
from training.pilot.case import Case, numbers
from training.pilot.cases import draw
from training.pilot.dialogue import Exchange, conversation, document, thought_exchange
from training.pilot.engine import chat, serving, tokens
from training.pilot.logs import log
from training.pilot.names import Names
from training.pilot.tokenizer import rendered
from wakeful.mind.one_by_one import gravest, together
from wakeful.mind.prompt import PILOT, prompt
from wakeful.mind.schema import Reply, reply_schema

SEED = 20_261_120
SHIPPED = Path(__file__).parents[2] / "src" / "wakeful" / "engine" / "models" / "pilot.gguf"
CARD_BEGIN, CARD_END = "<!-- figures -->", "<!-- end of figures -->"
BEGIN_NS = 1_795_000_000 * 10**9
_CITED = re.compile(r"^(#\d+) ", re.MULTILINE)


@dataclass(slots=True)
class Score:
    """Counts of one split: (right, of how many)."""

    name: str
    counts: dict[str, list[int]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def add(self, what: str, right: int, of: int = 1) -> bool:
        count = self.counts.setdefault(what, [0, 0])
        count[0] += right
        count[1] += of
        return right == of

    def share(self, what: str) -> float:
        right, of = self.counts.get(what, [0, 0])
        return right / of if of else 1.0


@dataclass(frozen=True, slots=True)
class Trial:
    """What is sent, one prompt for each observation, and what should come back."""

    prompts: list[list[tuple[str, str]]]
    wanted: str
    case: Case | None
    kind: str

    @property
    def shown(self) -> str:
        return "\n".join(messages[-1][1] for messages in self.prompts)


MEASURES = ("valid JSON", "severity", "entity", "numbers", "all numbers", "focus", "evidence", "expected")


def copied(wanted: str, got: str) -> tuple[int, int]:
    """How many of the numbers in `wanted` are in `got`, and of how many; numbers made up count as missing."""
    ours, theirs = Counter(numbers(wanted)), Counter(numbers(got))
    of = max(sum(ours.values()), sum(theirs.values()))
    return sum((ours & theirs).values()), of


def judge(trial: Trial, text: str, score: Score) -> None:
    """Adds one thought to the counts."""
    wanted = msgspec.json.decode(trial.wanted, type=Reply)
    try:
        got = msgspec.json.decode(text, type=Reply)
    except msgspec.DecodeError as error:
        score.add("valid JSON", 0)
        score.failures.append(f"{error}: {text}")
        return
    score.add("valid JSON", 1)
    fine = [score.add("severity", got.severity == wanted.severity)]
    entity = trial.case.entity if trial.case else ""
    if entity and entity != "first look":
        fine.append(score.add("entity", holds(got.focus, entity) or holds(got.assessment, entity)))
    for mine, theirs in ((wanted.observed, got.observed), (wanted.assessment, got.assessment)):
        right, of = copied(mine, theirs)
        if of:
            score.add("numbers", right, of)
    exact = [numbers(one.observed) + numbers(one.assessment) for one in (wanted, got)]
    fine.append(score.add("all numbers", exact[0] == exact[1]))
    score.add("focus", got.focus == wanted.focus)
    fine.append(score.add("evidence", got.evidence == wanted.evidence))
    score.add("expected", got.expected == wanted.expected)
    if not all(fine):
        score.failures.append(f"{trial.shown}\n  wanted {trial.wanted}\n  got    {text}")


def holds(text: str, entity: str) -> bool:
    """Whether `text` names `entity` as a whole, not as part of a longer name."""
    return re.search(rf"(?<![\w/.-]){re.escape(entity)}(?![\w/-]|\.\w)", text) is not None


def thoughts(
    names: Names, count: int, make: Callable[[], Case], *, several: bool = False, expected: bool = True
) -> Iterable[Trial]:
    """Moments of the cases that `make` gives; `several`: of two to five, which the pilot is shown one by one."""
    rng = names.rng
    for _ in range(count):
        hope = draw(names).prediction if expected and rng.random() < 0.5 else ""
        seq, at_ns = rng.randint(1, 10**6), BEGIN_NS + rng.randint(0, 10**7) * 10**9
        exchanges: list[Exchange] = []
        for _ in range(rng.randint(2, 5) if several else 1):
            exchange, seq, at_ns, _ = thought_exchange(names, seq, at_ns, hope, make())
            exchanges.append(exchange)
        replies = [msgspec.json.decode(exchange.reply, type=Reply) for exchange in exchanges]
        case = exchanges[gravest(replies)].case
        yield Trial(
            [[("system", prompt(PILOT)), ("user", exchange.user)] for exchange in exchanges],
            msgspec.json.encode(together(replies)).decode(),
            case,
            case.kind if case else "idle",
        )


def later_thoughts(names: Names, count: int) -> Iterable[Trial]:
    """The last thought of conversations of two to five turns."""
    for _ in range(count):
        talk = conversation(names, names.rng.randint(2, 5))
        while sum(len(text) for _, text in talk) > 4000:
            talk = conversation(names, 2)
        yield Trial([talk[:-1]], talk[-1][1], None, "later turn")


def schema_of(messages: list[tuple[str, str]]) -> dict[str, Any]:
    shown = messages[-1][1]
    return reply_schema(_CITED.findall(shown.split("\nRemembered:")[0]), shown=shown)


def run(base: str, trials: Iterable[Trial], score: Score, *, kinds: dict[str, Score] | None = None) -> Score:
    """Asks the engine, several trials at a time, and counts."""

    def ask(trial: Trial) -> str:
        texts = [chat(base, messages, schema_of(messages)) for messages in trial.prompts]
        try:
            replies = [msgspec.json.decode(text, type=Reply) for text in texts] if len(texts) > 1 else []
        except msgspec.DecodeError:
            return "; ".join(texts)  # which `judge` counts as no JSON
        return msgspec.json.encode(together(replies)).decode() if replies else texts[0]

    trials = list(trials)
    with ThreadPoolExecutor(4) as pool:
        for trial, text in zip(trials, pool.map(ask, trials)):
            judge(trial, text, score)
            if kinds is not None:
                judge(trial, text, kinds.setdefault(trial.kind, Score(trial.kind)))
    return score


def same_tokens(base: str, tokenizer: Path) -> None:
    """Raises ValueError where llama.cpp cuts a text in another way than the trainer did."""
    ours = Tokenizer.from_file(str(tokenizer))
    rng = random.Random(SEED)
    names = Names(rng, held_out=True)
    texts = ["".join(part for part, _ in rendered(document(names, 2))) for _ in range(50)]
    ranges = [
        (32, 126),
        (32, 126),
        (160, 0x24F),
        (0x400, 0x4FF),
        (0x4E00, 0x4EFF),
        (0x1F600, 0x1F63C),
        (9, 10),
    ]
    texts += ["".join(chr(rng.randint(*rng.choice(ranges))) for _ in range(50)) for _ in range(100)]
    for text in texts:
        if tokens(base, text) != ours.encode(text).ids:
            raise ValueError(f"llama.cpp and the trainer cut this differently: {text!r}")
    print(f"tokenizers agree on {len(texts)} texts")


def real_lines(base: str, score: Score) -> Score:
    """The lines written by hand: severity, entity, and whether every number said stands in the line."""
    names = Names(random.Random(1), held_out=True)
    for number, line in enumerate(real.lines()):
        case = Case(line.source, line.text, line.severity, "", "", "", "", reasons=line.reasons, form=line.form)
        exchange = thought_exchange(names, 100 + number, BEGIN_NS + number * 10**11, "", case)[0]
        user = exchange.user.split("\nRemembered:")[0].split("\nAnd more")[0]
        if "\nExpected:" not in user:
            user += "\nExpected:" + exchange.user.rsplit("\nExpected:", 1)[1]
        text = chat(base, [("system", prompt(PILOT)), ("user", user)], reply_schema(_CITED.findall(user), shown=user))
        try:
            got = msgspec.json.decode(text, type=Reply)
        except msgspec.DecodeError as error:
            score.add("valid JSON", 0)
            score.failures.append(f"{error}: {text}")
            continue
        score.add("valid JSON", 1)
        fine = [score.add("severity", got.severity == line.severity)]
        if line.entity:
            fine.append(score.add("entity", holds(f"{got.focus} {got.assessment}", line.entity)))
        said = numbers(f"{got.observed} {got.assessment}")
        there = set(numbers(user))
        right = sum(each in there for each in said)
        if said:
            fine.append(score.add("numbers", right, len(said)))
        if not all(fine):
            score.failures.append(
                f"{line.severity} {line.entity} <- {line.text}\n  got {got.severity} {got.focus} / {got.observed} / {got.assessment}"
            )
    return score


def table(scores: Iterable[Score]) -> str:
    """The figures in Markdown."""
    head = "| split | n | " + " | ".join(MEASURES) + " |\n|" + "---|" * (len(MEASURES) + 2)
    rows = [head]
    for score in scores:
        cells = [f"{100 * score.share(what):.1f} %" if what in score.counts else "" for what in MEASURES]
        rows.append(f"| {score.name} | {score.counts.get('valid JSON', [0, 0])[1]} | " + " | ".join(cells) + " |")
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, nargs="?", default=SHIPPED)
    parser.add_argument("--count", type=int, default=600, help="thoughts of the first split; the others have fewer")
    parser.add_argument("--failures", type=Path, help="where to write what went wrong")
    parser.add_argument("--report", type=Path, help="where to write the tables")
    parser.add_argument("--card", action="store_true", help="write the tables into the card beside the model")
    parser.add_argument("--tokenizer", type=Path, default=Path(__file__).with_name("tokenizer.json"))
    parser.add_argument("--quick", action="store_true", help="the first split only")
    parser.add_argument("--seed", type=int, default=SEED)
    options = parser.parse_args()
    names = Names(random.Random(options.seed), held_out=True)
    few = max(options.count // 3, 20)
    kinds: dict[str, Score] = {}
    with serving(options.model) as base:
        same_tokens(base, options.tokenizer)
        scores = [
            run(
                base,
                thoughts(names, options.count, lambda: draw(names)),
                Score("one observation"),
                kinds=kinds,
            ),
        ]
        scores += (
            []
            if options.quick
            else [
                run(
                    base,
                    thoughts(names, few, lambda: draw(names), several=True),
                    Score("two to five observations"),
                ),
                run(
                    base,
                    thoughts(names, few, lambda: log(names, held_wording=True)),
                    Score("wordings held out"),
                ),
                run(base, later_thoughts(names, few), Score("later turns of a conversation")),
                real_lines(base, Score("lines written by hand (numbers: none made up)")),
            ]
        )
    report = table(scores) + "\n\nOne observation, by kind:\n\n" + table(kinds[kind] for kind in sorted(kinds))
    print(report)
    if options.report:
        options.report.write_text(report + "\n", encoding="utf-8")
    if options.card:
        card = options.model.with_name("MODEL_CARD.md")
        head, _, rest = card.read_text(encoding="utf-8").partition(CARD_BEGIN)
        tail = rest.partition(CARD_END)[2]
        card.write_text(f"{head}{CARD_BEGIN}\n\n{report}\n\n{CARD_END}{tail}", encoding="utf-8")
    if options.failures:
        told = [f"=== {score.name}\n" + "\n\n".join(score.failures) for score in scores]
        options.failures.write_text("\n\n".join(told), encoding="utf-8")
    reached = [
        scores[0].share("valid JSON") >= 1,
        scores[0].share("severity") >= 0.97,
        scores[0].share("entity") >= 0.98,
        scores[0].share("numbers") >= 0.98,
    ]
    print(json.dumps({"goals reached": all(reached)}))
    raise SystemExit(not all(reached))


if __name__ == "__main__":
    main()
