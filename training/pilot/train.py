"""Trains the pilot model on generated conversations; can be stopped and goes on where it was.

    python -m training.pilot.train --out training/pilot/out --steps 6000

On two shared CPU cores a step of 8,192 tokens takes one to two seconds; on a GPU it is limited by the generator.
"""

import argparse
import json
import multiprocessing
import random
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from training.pilot.dialogue import document
from training.pilot.model import Pilot, Shape
from training.pilot.names import Names
from training.pilot.tokenizer import encode, train_tokenizer

TOKENS_PER_STEP = 8192
PROMPT_WEIGHT = 0.1
MATRIX_RATE, OTHER_RATE = 0.02, 3e-3
DECAY_SHARE = 0.35  # of all steps, at the end, with the rate falling to zero


def stage(done: float) -> tuple[int, int]:
    """Which documents, and how long a row, at a share `done` of the training."""
    if done < 0.08:
        return 0, 512
    if done < 0.30:
        return 1, 512
    return (2, 1024) if done < 0.85 else (2, 2048)


def rows(out: Path, seed: int, first: int, steps: int, queue: Any) -> None:
    """Makes the batches of every step, in a process of its own."""
    tokenizer = Tokenizer.from_file(str(out / "tokenizer.json"))
    names = Names(random.Random(seed))
    for step in range(first, steps):
        kind, length = stage(step / steps)
        batch = np.zeros((TOKENS_PER_STEP // length, length + 1), dtype=np.int32)
        weights = np.zeros_like(batch, dtype=np.float32)
        for row in range(len(batch)):
            ids: list[int] = []
            answers: list[int] = []
            while len(ids) <= length:  # a row begins with a whole document; only its last one is cut
                more, which = encode(tokenizer, document(names, kind))
                ids += more
                answers += which
            batch[row] = ids[: length + 1]
            weights[row] = np.where(np.array(answers[: length + 1]), 1.0, PROMPT_WEIGHT)
        queue.put((batch, weights))


class Muon(torch.optim.Optimizer):
    """Momentum with orthogonalised updates for matrices (Jordan et al. 2024, github.com/KellerJordan/Muon)."""

    def __init__(self, parameters: list[nn.Parameter], rate: float) -> None:
        super().__init__(parameters, {"lr": rate})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            alike: dict[torch.Size, list[nn.Parameter]] = {}
            for parameter in group["params"]:
                alike.setdefault(parameter.shape, []).append(parameter)
            for shape, parameters in alike.items():  # matrices of one size are updated as one stack
                grads = []
                for parameter in parameters:
                    momentum = self.state[parameter].setdefault("m", torch.zeros_like(parameter))
                    momentum.lerp_(parameter.grad, 0.05)
                    grads.append(parameter.grad.lerp(momentum, 0.95))
                scale = max(1.0, shape[0] / shape[1]) ** 0.5
                for parameter, update in zip(parameters, _orthogonal(torch.stack(grads)), strict=True):
                    parameter.mul_(1 - group["lr"] * 0.02).add_(update, alpha=-group["lr"] * scale)


def _orthogonal(stack: Tensor) -> Tensor:
    """The nearest matrices whose singular values are near 1, by five Newton-Schulz steps of fifth degree."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = (stack / (stack.norm(dim=(1, 2), keepdim=True) + 1e-7)).bfloat16()
    flip = x.shape[1] > x.shape[2]
    x = x.mT if flip else x
    for _ in range(5):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.mT if flip else x).float()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--out", type=Path, default=Path("training/pilot/out"))
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--compile", action="store_true", help="a fifth faster; needs a C++ compiler")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(given.seed)
    torch.set_num_threads(given.threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if not (given.out / "tokenizer.json").exists():
        train_tokenizer(given.out / "tokenizer.json")
    shape = Shape(vocabulary=Tokenizer.from_file(str(given.out / "tokenizer.json")).get_vocab_size())
    model = Pilot(shape).to(device)
    matrices = [p for n, p in model.named_parameters() if p.dim() > 1 and not n.startswith("e.")]
    others = [p for n, p in model.named_parameters() if p.dim() < 2 or n.startswith("e.")]
    optimizers = [Muon(matrices, MATRIX_RATE), torch.optim.AdamW(others, OTHER_RATE, (0.9, 0.95), weight_decay=0.0)]
    rates = [MATRIX_RATE, OTHER_RATE]
    first, saved = 0, given.out / "checkpoint.pt"
    if saved.exists():
        state = torch.load(saved, map_location=device)
        model.load_state_dict(state["model"])
        for optimizer, kept in zip(optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(kept)
        first = state["step"]
    forward = torch.compile(model, dynamic=False) if given.compile else model
    print(f"{sum(p.numel() for p in model.parameters()) / 1e6:.2f} million parameters, from step {first}", flush=True)
    queue: Any = multiprocessing.get_context("spawn").Queue(8)
    maker = multiprocessing.get_context("spawn").Process(
        target=rows, args=(given.out, given.seed + first, first, given.steps, queue), daemon=True
    )
    maker.start()
    begun, kept_at = time.time(), time.time()
    for step in range(first, given.steps):
        batch, weights = queue.get()
        done = step / given.steps
        rate = min(1.0, (step + 1) / 50) * min(1.0, (1 - done) / DECAY_SHARE)
        for optimizer, base in zip(optimizers, rates, strict=True):
            optimizer.param_groups[0]["lr"] = base * rate
        ids = torch.from_numpy(batch).long().to(device)
        weight = torch.from_numpy(weights[:, 1:]).to(device)
        with torch.autocast(device, torch.bfloat16):
            hidden = forward(ids[:, :-1])
            logits = F.linear(hidden, model.e.weight)
        losses = F.cross_entropy(logits.float().flatten(0, 1), ids[:, 1:].flatten(), reduction="none")
        loss = (losses * weight.flatten()).sum() / weight.sum()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        if step % 20 == 0:
            answer = losses.view_as(weight)[weight == 1].mean().item()
            speed = (step - first + 1) * TOKENS_PER_STEP / (time.time() - begun)
            print(f"step {step} answers {answer:.4f} rate {rate:.3f} {speed:.0f} tokens/s", flush=True)
        if time.time() - kept_at > 120 or step == given.steps - 1:
            kept_at = time.time()
            state = {
                "model": model.state_dict(),
                "optimizers": [optimizer.state_dict() for optimizer in optimizers],
                "step": step + 1,
            }
            torch.save(state, saved.with_suffix(".new"))
            saved.with_suffix(".new").rename(saved)
            (given.out / "shape.json").write_text(json.dumps(asdict(shape)))


if __name__ == "__main__":
    main()
