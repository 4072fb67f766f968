"""The pilot's network: llama's architecture, small. Rotary pairs are interleaved, as llama.cpp wants them."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812


@dataclass(frozen=True)
class Shape:
    """Sizes of the network; `context` is the longest sequence it was trained on, in tokens."""

    vocabulary: int = 1280
    width: int = 192
    layers: int = 6
    heads: int = 6
    hidden: int = 512
    context: int = 2048
    rope_base: float = 10000.0


class Norm(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, (x.shape[-1],), self.w, 1e-5)


class Block(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        d, self.heads = shape.width, shape.heads
        self.n1, self.n2 = Norm(d), Norm(d)
        self.q, self.k, self.v, self.o = (nn.Linear(d, d, bias=False) for _ in range(4))
        self.g, self.u = nn.Linear(d, shape.hidden, bias=False), nn.Linear(d, shape.hidden, bias=False)
        self.d = nn.Linear(shape.hidden, d, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        batch, time, width = x.shape
        h = self.n1(x)
        q, k, v = (
            part(h).view(batch, time, self.heads, -1).transpose(1, 2) for part in (self.q, self.k, self.v)
        )
        mixed = F.scaled_dot_product_attention(_rotate(q, cos, sin), _rotate(k, cos, sin), v, is_causal=True)
        x = x + self.o(mixed.transpose(1, 2).reshape(batch, time, width))
        h = self.n2(x)
        return x + self.d(F.silu(self.g(h)) * self.u(h))


class Pilot(nn.Module):
    """Embeddings are tied: the same matrix reads and writes."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.e = nn.Embedding(shape.vocabulary, shape.width)
        self.b = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.n = Norm(shape.width)
        for name, parameter in self.named_parameters():
            if parameter.dim() > 1:
                small = (2 * shape.layers) ** -0.5 if name.endswith(("o.weight", "d.weight")) else 1.0
                nn.init.normal_(parameter, std=0.02 * small)
        head = shape.width // shape.heads
        inverse = shape.rope_base ** -(torch.arange(0, head, 2) / head)
        angles = torch.outer(torch.arange(shape.context).float(), inverse)
        self.register_buffer("cos", angles.cos(), persistent=False)
        self.register_buffer("sin", angles.sin(), persistent=False)

    def forward(self, ids: Tensor) -> Tensor:
        """The last hidden states, shape (batch, time, width)."""
        x = self.e(ids)
        cos, sin = self.cos[: ids.shape[1]].to(x.dtype), self.sin[: ids.shape[1]].to(x.dtype)
        for block in self.b:
            x = block(x, cos, sin)
        return self.n(x)


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    a, b = x.unflatten(-1, (-1, 2)).unbind(-1)
    cos, sin = cos.to(x.dtype), sin.to(x.dtype)
    return torch.stack((a * cos - b * sin, a * sin + b * cos), -1).flatten(-2)
