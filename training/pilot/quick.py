"""The model's blocks forward and backward with `quick.cpp`: about three times PyTorch's own speed.

The parameters stay those of `model.Pilot`; `hidden` is an operation of autograd like any other. Each norm's
weights are folded into the matrix behind it, so that what is done for each token is only the norm itself.
"""

import ctypes
import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from training.pilot.model import Block, Pilot

_SOURCE = Path(__file__).with_name("quick.cpp")
STEP = 256
"""Rows are filled up to multiples of this: for each new number of them oneDNN makes its programs anew."""
_FLAGS = ("-O3", "-march=native", "-shared", "-fPIC")
_AMX = ("-mamx-tile", "-mamx-bf16")


def compiled() -> ctypes.CDLL | None:
    """`quick.cpp` as a library; None where the processor knows no bfloat16 or there is no compiler."""
    info = Path("/proc/cpuinfo")
    flags = info.read_text().split() if info.exists() else []
    if "avx512_bf16" not in flags or not shutil.which("g++"):
        return None
    options = (*_FLAGS, *(_AMX if "amx_bf16" in flags else ()))
    name = hashlib.sha256(_SOURCE.read_bytes() + repr(options).encode()).hexdigest()[:16]
    target = Path(tempfile.gettempdir()) / f"wakeful-quick-{name}.so"
    if not target.exists():
        with tempfile.TemporaryDirectory(dir=target.parent) as folder:
            fresh = Path(folder) / target.name
            subprocess.run(["g++", *options, str(_SOURCE), "-o", str(fresh)], check=True)
            fresh.replace(target)
    library = ctypes.CDLL(str(target))
    return None if library.quick_begin() else library


class Quick:
    """Calls the library for one model."""

    def __init__(self, model: Pilot, library: ctypes.CDLL) -> None:
        self.model = model
        self.library = library
        # one value for each place of a head; the sine's sign is that of the turn
        self.cos = model.cos.repeat_interleave(2, -1).contiguous()
        self.sin = torch.stack([-model.sin, model.sin], -1).flatten(-2).contiguous()
        self.parameters = list(model.parameters())

    def hidden(self, tokens: Tensor, wanted: Tensor) -> Tensor:
        """What `Pilot.forward` gives where `wanted` is true, one row each, then rows that mean nothing.

        Lengths are multiples of 32.
        """
        places = wanted.flatten().nonzero()[:, 0]
        return _Hidden.apply(self, tokens, F.pad(places, (0, -len(places) % STEP)), *self.parameters)

    def call(self, name: str, *arguments: Tensor | int | float | None) -> None:
        passed: list[Any] = []
        for each in arguments:
            if isinstance(each, Tensor):
                passed.append(ctypes.c_void_p(each.data_ptr()))
            elif isinstance(each, float):
                passed.append(ctypes.c_float(each))
            else:
                passed.append(each if each is None else ctypes.c_long(each))
        getattr(self.library, name)(*passed)


class _Hidden(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, quick: Quick, tokens: Tensor, wanted: Tensor, *_: Tensor) -> Tensor:
        shape = quick.model.shape
        batch, length = tokens.shape
        rows, width = tokens.numel() + -tokens.numel() % STEP, shape.width
        x = quick.model.embedding.detach()[F.pad(tokens.flatten(), (0, rows - tokens.numel()))]
        more: Tensor | None = None
        kept: list[tuple[Tensor, ...]] = []
        for number, block in enumerate(quick.model.blocks):
            into, out, both, down = _folded(block)
            unit1, inverse1 = _low(rows, width), torch.empty(rows)
            quick.call("norm", x, more, unit1, inverse1, rows, width, shape.epsilon)
            qkv = unit1 @ into.T
            mixed, lse = _low(rows, width), torch.empty(rows, shape.heads)
            mixed[tokens.numel() :] = 0
            quick.call("attention", qkv, mixed, lse, quick.cos, quick.sin, batch, length, shape.heads)
            taken = mixed
            if number == shape.layers - 1:  # from here on, rows that are not wanted change nothing
                x, taken = x[wanted], mixed[wanted]
            more = taken @ out.T
            unit2, inverse2 = torch.empty_like(taken), torch.empty(len(taken))
            quick.call("norm", x, more, unit2, inverse2, len(taken), width, shape.epsilon)
            gate_up = unit2 @ both.T
            act = _low(len(taken), shape.inner)
            quick.call("gate", gate_up, act, len(taken), shape.inner)
            more = act @ down.T
            kept.append((unit1, inverse1, qkv, mixed, taken, lse, unit2, inverse2, gate_up, act, into, out, both, down))
        ctx.quick, ctx.kept, ctx.tokens, ctx.wanted = quick, kept, tokens, wanted
        assert more is not None
        return x.add_(more)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        quick: Quick = ctx.quick
        shape = quick.model.shape
        batch, length = ctx.tokens.shape
        count, width, inner = ctx.tokens.numel(), shape.width, shape.inner
        rows = count + -count % STEP
        dx = gradients[0].clone()
        low = dx.bfloat16()
        found: dict[int, Tensor] = {}
        for block, kept in zip(reversed(quick.model.blocks), reversed(ctx.kept)):
            unit1, inverse1, qkv, mixed, taken, lse, unit2, inverse2, gate_up, act, into, out, both, down = kept
            found[id(block.down)] = low.T @ act
            dact, dboth = low @ down, torch.empty_like(gate_up)
            quick.call("gate_back", gate_up, dact, dboth, len(act), inner)
            found.update(_unfolded(block.gate_up, block.norm2, dboth.T @ unit2))
            quick.call("norm_back", dx, low, dboth @ both, unit2, inverse2, len(act), width)
            found[id(block.out)] = low.T @ taken
            dmixed = low @ out
            if len(dmixed) < rows:
                dx, dmixed, low = _spread(dx, ctx.wanted, rows), _spread(dmixed, ctx.wanted, rows), _low(rows, width)
            dqkv, tables = _low(rows, 3 * width), (quick.cos, quick.sin)
            dqkv[count:] = 0
            quick.call("attention_back", qkv, mixed, lse, dmixed, dqkv, *tables, batch, length, shape.heads)
            found.update(_unfolded(block.qkv, block.norm1, dqkv.T @ unit1))
            quick.call("norm_back", dx, low, dqkv @ into, unit1, inverse1, rows, width)
        embedding = quick.model.embedding
        found[id(embedding)] = torch.zeros_like(embedding).index_add_(0, ctx.tokens.flatten(), dx[:count])
        return (None, None, None, *(found[id(p)].float() if id(p) in found else None for p in quick.parameters))


def _spread(x: Tensor, places: Tensor, rows: int) -> Tensor:
    """`x` at its places among `rows` rows that are otherwise zero."""
    return x.new_zeros(rows, x.shape[1]).index_add_(0, places, x)


def _low(*shape: int) -> Tensor:
    return torch.empty(shape, dtype=torch.bfloat16)


def _folded(block: Block) -> tuple[Tensor, ...]:
    """The block's four matrices in bfloat16, with the norms before them."""
    qkv, gate_up = block.qkv.detach().flatten(0, 1), block.gate_up.detach().flatten(0, 1)
    into, both = (qkv * block.norm1.detach()).bfloat16(), (gate_up * block.norm2.detach()).bfloat16()
    return into, block.out.detach().bfloat16(), both, block.down.detach().bfloat16()


def _unfolded(matrix: Tensor, norm: Tensor, gradient: Tensor) -> dict[int, Tensor]:
    """The gradients of a matrix and of the norm that was folded into it."""
    gradient = gradient.float()
    with torch.no_grad():
        return {
            id(matrix): (gradient * norm).view_as(matrix),
            id(norm): (gradient * matrix.flatten(0, 1)).sum(0),
        }
