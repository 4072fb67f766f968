"""The model: llama's architecture, small. Rotary pairs are interleaved, as llama.cpp wants them."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True, slots=True)
class Shape:
    vocabulary: int
    width: int = 256
    layers: int = 5
    heads: int = 4
    inner: int = 512
    context: int = 2048
    rope_base: float = 10000.0
    epsilon: float = 1e-5


class Block(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heads = shape.heads
        self.epsilon = shape.epsilon
        self.norm1 = nn.Parameter(torch.ones(shape.width))
        self.norm2 = nn.Parameter(torch.ones(shape.width))
        self.qkv = nn.Parameter(torch.empty(3, shape.width, shape.width))
        self.out = nn.Parameter(torch.empty(shape.width, shape.width))
        self.gate_up = nn.Parameter(torch.empty(2, shape.inner, shape.width))
        self.down = nn.Parameter(torch.empty(shape.width, shape.inner))

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        batch, length, width = x.shape
        h = F.rms_norm(x, (width,), self.norm1, self.epsilon)
        qkv = F.linear(h, self.qkv.flatten(0, 1)).view(batch, length, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        a = F.scaled_dot_product_attention(turn(q, cos, sin), turn(k, cos, sin), v, is_causal=True)
        x = x + F.linear(a.transpose(1, 2).reshape(batch, length, width), self.out)
        h = F.rms_norm(x, (width,), self.norm2, self.epsilon)
        gate, up = F.linear(h, self.gate_up.flatten(0, 1)).chunk(2, -1)
        return x + F.linear(F.silu(gate) * up, self.down)


def turn(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary position embedding over interleaved pairs."""
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack([even * cos - odd * sin, even * sin + odd * cos], -1).flatten(-2).to(x.dtype)


class Pilot(nn.Module):
    """Embeddings are tied: the same matrix reads tokens in and out."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.embedding = nn.Parameter(torch.empty(shape.vocabulary, shape.width))
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.norm = nn.Parameter(torch.ones(shape.width))
        for name, parameter in self.named_parameters():
            if parameter.dim() > 1:
                last = name.endswith((".out", ".down"))
                nn.init.normal_(parameter, std=0.02 / (2 * shape.layers) ** 0.5 if last else 0.02)
        half = shape.width // shape.heads // 2
        angles = torch.outer(
            torch.arange(shape.context).float(), shape.rope_base ** (-torch.arange(half).float() / half)
        )
        self.register_buffer("cos", angles.cos(), persistent=False)
        self.register_buffer("sin", angles.sin(), persistent=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """What the last layer leaves at each position, shape (batch, length, width)."""
        length = tokens.shape[1]
        x = F.embedding(tokens, self.embedding)
        cos, sin = self.cos[:length], self.sin[:length]
        for block in self.blocks:
            x = block(x, cos, sin)
        return x

    def read_out(self, hidden: Tensor) -> Tensor:
        """Logits at the positions of `hidden`, shape (positions, vocabulary)."""
        hidden = F.rms_norm(hidden, (hidden.shape[-1],), self.norm, self.shape.epsilon)
        return F.linear(hidden, self.embedding)
