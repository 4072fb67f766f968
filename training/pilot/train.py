"""Trains the pilot model: `python -m training.pilot.train --out DIR --minutes 60`; stopped, it resumes there.

With more than one core, `--ranks N` runs N processes of one thread each that share their gradients: on small
shared machines that is quicker than threads, which wait for each other at every operation.
"""

import argparse
import json
import os
import random
import shutil
import signal
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as processes
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional as F

from training.pilot.dialogue import document
from training.pilot.export import export, stored_weights
from training.pilot.model import Pilot, Shape
from training.pilot.muon import Muon
from training.pilot.names import Names
from training.pilot.quick import Quick, compiled
from training.pilot.tokenizer import load, rendered

MUON_RATE = 0.02
ADAM_RATE = 0.004
WARM_STEPS = 60
COPY_TOKENS = 2_500_000
"""Tokens of the first stage, in which half of the documents do nothing but copy."""
SHORT_TOKENS = 5_000_000
"""Tokens after which documents have their full length."""
POOL = 384
"""Documents that are sorted by length before they are cut into batches, so that little is padding."""
AGAIN = 1 / 3
"""Share of a pool that are the hardest documents of the pool before, once more."""
TIMES = 3
"""How often a document is seen at most."""


def encode(tokenizer: Tokenizer, messages: list[tuple[str, str]]) -> tuple[list[int], list[bool]]:
    """Token ids, and for each whether the model is to learn to write it."""
    tokens: list[int] = []
    learnt: list[bool] = []
    for text, own in rendered(messages):
        part = tokenizer.encode(text).ids
        tokens += part
        learnt += [own] * len(part)
    return tokens, learnt


@dataclass(slots=True)
class Example:
    """A document in tokens; loss: how hard it was when it was last seen, for what it cost to see it.

    kind: by which documents are compared, as some kinds are always harder
    """

    kind: str
    tokens: list[int]
    learnt: list[bool]
    seen: int = 0
    loss: float = 0.0


class Batches:
    """An endless stream of (tokens, learnt) of about `size` tokens, made as they are needed.

    What it is told to have been hard comes again.
    """

    def __init__(self, tokenizer: Tokenizer, rng: random.Random, size: int, context: int, device: str) -> None:
        self.tokenizer = tokenizer
        self.names = Names(rng)
        self.rng = rng
        self.size = size
        self.context = context
        self.device = device
        self.ready: list[list[Example]] = []
        self.given: list[Example] = []
        self.pool: list[Example] = []
        self.stage = -1

    def next(self, stage: int) -> tuple[Tensor, Tensor]:
        if stage != self.stage or not self.ready:
            self.stage = stage
            self._fill()
        self.given = self.ready.pop()
        length = -(-max(len(each.tokens) for each in self.given) // 32) * 32
        tokens = torch.zeros(len(self.given), length, dtype=torch.long)
        learnt = torch.zeros(len(self.given), length, dtype=torch.bool)
        for row, each in enumerate(self.given):
            tokens[row, : len(each.tokens)] = torch.tensor(each.tokens)
            learnt[row, : len(each.learnt)] = torch.tensor(each.learnt)
        return tokens.to(self.device), learnt.to(self.device)

    def tell(self, losses: list[float]) -> None:
        """The sum of the losses of each row that `next` gave last."""
        for each, loss in zip(self.given, losses):
            each.seen += 1
            each.loss = loss / len(each.tokens)

    def _fill(self) -> None:
        pool = hardest(self.pool)
        while len(pool) < POOL:
            messages = document(self.names, self.stage)
            kind = f"{messages[0][1][:30]} {len(messages)} {messages[1][1].count(chr(10) + '#')}"
            example = Example(kind, *encode(self.tokenizer, messages))
            if len(example.tokens) <= self.context:
                pool.append(example)
        self.pool = pool
        rows: list[Example] = []
        self.ready = []
        for each in sorted(pool, key=lambda each: len(each.tokens)):
            if rows and (len(rows) + 1) * len(each.tokens) > self.size:
                self.ready.append(rows)
                rows = []
            rows.append(each)
        self.ready.append(rows)
        self.rng.shuffle(self.ready)


def hardest(pool: list[Example]) -> list[Example]:
    """Of each kind the share `AGAIN` that had the highest loss, without what was seen often enough."""
    kinds: dict[str, list[Example]] = {}
    for each in pool:
        if each.seen:
            kinds.setdefault(each.kind, []).append(each)
    found: list[Example] = []
    for alike in kinds.values():
        alike.sort(key=lambda each: -each.loss)
        found += [each for each in alike[: int(len(alike) * AGAIN)] if each.seen < TIMES]
    return found


def run(rank: int, options: argparse.Namespace) -> None:
    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)
    device = options.device
    if options.ranks > 1:
        os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(options.port))
        dist.init_process_group("gloo", rank=rank, world_size=options.ranks)
    torch.manual_seed(options.seed)
    out: Path = options.out
    tokenizer = load(out / "tokenizer.json")
    shape = Shape(tokenizer.get_vocab_size(), options.width, options.layers, options.heads, options.inner)
    model = Pilot(shape).to(device)
    matrices = [p for name, p in model.named_parameters() if p.dim() > 1 and name != "embedding"]
    others = [p for name, p in model.named_parameters() if p.dim() == 1 or name == "embedding"]
    if options.start:
        model.load_state_dict(stored_weights(options.start, shape.layers))
    muon = Muon(matrices)
    adam = torch.optim.AdamW(others, lr=ADAM_RATE, betas=(0.9, 0.95), weight_decay=0.0)
    average = [p.detach().clone() for p in model.parameters()]
    step, seen = 0, 0
    state_path = out / "state.pt"
    if state_path.exists():
        state = torch.load(state_path, map_location=device)
        model.load_state_dict(state["model"])
        adam.load_state_dict(state["adam"])
        for mine, stored in zip(muon.moving, state["muon"]):
            mine.copy_(stored)
        average = state["average"]
        step, seen = state["step"], state["seen"]
    elif options.start:
        seen = SHORT_TOKENS  # it has learnt to copy already
    batches = Batches(tokenizer, random.Random(f"{options.seed}-{rank}-{step}"), options.batch, shape.context, device)
    library = compiled() if device == "cpu" else None
    quick = Quick(model, library) if library else None
    if rank == 0:
        print("with quick.cpp" if library else "with PyTorch alone", flush=True)

    stopping = False

    def stop(*_: object) -> None:
        nonlocal stopping
        stopping = True

    signal.signal(signal.SIGTERM, stop)
    begun = saved = told = time.monotonic()
    begun_seen = seen
    losses: list[float] = []
    while True:
        spent = (time.monotonic() - begun) / 60 / options.minutes
        flag = torch.tensor([float(stopping), spent if rank == 0 else 0.0])
        if options.ranks > 1:
            dist.all_reduce(flag, dist.ReduceOp.MAX)
        spent = float(flag[1])
        if flag[0] or spent >= 1:
            break
        stage = 0 if seen < COPY_TOKENS else 1 if seen < SHORT_TOKENS else 2
        tokens, learnt = batches.next(stage)
        wanted = F.pad(learnt[:, 1:], (0, 1))  # where the next token is learnt
        with torch.autocast(device, torch.bfloat16):
            logits = model.read_out(quick.hidden(tokens, wanted) if quick else model(tokens)[wanted])
        answers = tokens[learnt]
        each_loss = F.cross_entropy(logits[: len(answers)].float(), answers, reduction="none")
        loss = each_loss.mean()
        loss.backward()
        sums = torch.zeros(len(tokens), device=device).index_add_(0, learnt.nonzero()[:, 0], each_loss.detach())
        batches.tell(sums.tolist())
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        count = torch.tensor([float(tokens.numel())])
        if options.ranks > 1:
            flat = torch.cat([gradient.flatten() for gradient in gradients])
            dist.all_reduce(flat)
            dist.all_reduce(count)
            start = 0
            for gradient in gradients:
                gradient.copy_(flat[start : start + gradient.numel()].view_as(gradient)).div_(options.ranks)
                start += gradient.numel()
        factor = min(1.0, (step + 1) / WARM_STEPS, max(0.0, 1 - spent) / options.decay)
        factor *= options.rate
        for group in adam.param_groups:
            group["lr"] = ADAM_RATE * factor
        adam.step()
        muon.step(MUON_RATE * factor)
        model.zero_grad()
        step += 1
        seen += int(count)
        share = 1 - min(0.995, step / (step + 20))
        with torch.no_grad():
            torch._foreach_lerp_(average, [p.detach() for p in model.parameters()], share)
        losses.append(loss.item())
        now = time.monotonic()
        if rank == 0 and now - told > 20:
            speed = (seen - begun_seen) / (now - begun)
            mean = sum(losses) / len(losses)
            print(
                f"{time.strftime('%H:%M:%S')} step {step} stage {stage} tokens {seen / 1e6:.2f}M loss {mean:.4f} rate {factor:.3f} {speed:.0f} tokens/s",
                flush=True,
            )
            told, losses = now, []
        if rank == 0 and now - saved > options.save_s:
            save(out, model, adam, muon, average, step, seen)
            saved = now
    if rank == 0:
        save(out, model, adam, muon, average, step, seen)
    if options.ranks > 1:
        dist.destroy_process_group()


def save(
    out: Path,
    model: Pilot,
    adam: torch.optim.Optimizer,
    muon: Muon,
    average: list[Tensor],
    step: int,
    seen: int,
) -> None:
    """Everything that resuming and exporting need; whole or not at all."""
    state = {
        "model": model.state_dict(),
        "adam": adam.state_dict(),
        "muon": muon.moving,
        "average": average,
        "names": [name for name, _ in model.named_parameters()],
        "step": step,
        "seen": seen,
    }
    torch.save(state, out / "state.new")
    os.replace(out / "state.new", out / "state.pt")
    (out / "shape.json").write_text(json.dumps(asdict(model.shape)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of the tokenizer and the checkpoint")
    tokenizer = Path(__file__).with_name("tokenizer.json")
    parser.add_argument("--tokenizer", type=Path, default=tokenizer, help="used unless the folder has one")
    parser.add_argument("--start", type=Path, help="GGUF file to go on from, where the folder has no checkpoint")
    parser.add_argument("--minutes", type=float, default=60, help="how long to go on from now")
    parser.add_argument("--decay", type=float, default=0.3, help="share of the time in which the rate falls to zero")
    parser.add_argument("--rate", type=float, default=1.0, help="factor on the learning rates")
    parser.add_argument("--ranks", type=int, default=1, help="processes that share the work")
    parser.add_argument("--threads", type=int, default=1, help="threads of each")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--batch", type=int, default=5120, help="tokens of a batch, for each process")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--port", type=int, default=29517)
    parser.add_argument("--save-s", type=float, default=120)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--layers", type=int, default=5)
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--inner", type=int, default=512)
    options = parser.parse_args()
    # Large tensors come and go at every step; without these glibc gives them back to the system each time.
    reuse = {
        "MALLOC_MMAP_THRESHOLD_": str(2**33),
        "MALLOC_TRIM_THRESHOLD_": str(2**34),
        "MALLOC_TOP_PAD_": str(2**29),
    }
    if sys.platform == "linux" and "MALLOC_TOP_PAD_" not in os.environ:
        os.environ.update(reuse)
        os.execv(sys.executable, [sys.executable, "-m", "training.pilot.train", *sys.argv[1:]])
    options.out.mkdir(parents=True, exist_ok=True)
    if options.tokenizer.exists() and not (options.out / "tokenizer.json").exists():
        shutil.copy(options.tokenizer, options.out / "tokenizer.json")
    load(options.out / "tokenizer.json")
    if options.ranks == 1:
        run(0, options)
    else:
        _run_ranks(options)
    export(options.out, options.out / "pilot.gguf")


def _run_ranks(options: argparse.Namespace) -> None:
    started = processes.spawn(run, (options,), nprocs=options.ranks, join=False)
    signal.signal(signal.SIGTERM, lambda *_: [process.terminate() for process in started.processes])
    while not started.join(timeout=5):
        pass


if __name__ == "__main__":
    main()
