"""Muon: momentum whose matrices are made orthogonal before they are applied; needs half the tokens of AdamW.

Source: K. Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/ (written anew from the description).
"""

import torch
import torch.distributed as dist
from torch import Tensor

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)


def orthogonal(stack: Tensor, steps: int = 5) -> Tensor:
    """Each matrix of `stack`, shape (n, rows, columns), with its singular values brought near 1."""
    a, b, c = _COEFFICIENTS
    x = stack.to(torch.bfloat16)
    tall = x.shape[1] > x.shape[2]
    if tall:
        x = x.mT
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return (x.mT if tall else x).to(stack.dtype)


class Muon:
    """Steps matrices; those of one shape are stacked, and the shapes are shared out among ranks."""

    def __init__(self, parameters: list[Tensor], *, momentum: float = 0.95, decay: float = 0.01) -> None:
        self.parameters = parameters
        self.momentum = momentum
        self.decay = decay
        self.moving = [torch.zeros_like(parameter) for parameter in parameters]
        self.groups: dict[tuple[int, ...], list[int]] = {}
        for number, parameter in enumerate(parameters):
            self.groups.setdefault(tuple(parameter.shape[-2:]), []).append(number)

    @torch.no_grad()
    def step(self, rate: float) -> None:
        ranks = dist.get_world_size() if dist.is_initialized() else 1
        for turn, ((rows, columns), members) in enumerate(sorted(self.groups.items())):
            mine = ranks == 1 or dist.get_rank() == turn % ranks
            parts: list[Tensor] = []
            for number in members:
                gradient = self.parameters[number].grad
                assert gradient is not None
                moving = self.moving[number].lerp_(gradient, 1 - self.momentum)
                parts.append(gradient.lerp(moving, self.momentum).reshape(-1, rows, columns))
            stack = torch.cat(parts)
            update = orthogonal(stack) if mine else torch.empty_like(stack)
            if ranks > 1:
                dist.broadcast(update, turn % ranks)
            scale = rate * max(1.0, rows / columns) ** 0.5
            start = 0
            for number in members:
                parameter = self.parameters[number]
                count = parameter.numel() // (rows * columns)
                parameter.mul_(1 - rate * self.decay)
                parameter.add_(update[start : start + count].view_as(parameter), alpha=-scale)
                start += count
