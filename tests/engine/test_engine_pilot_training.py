"""Training needs PyTorch, which Wakeful does not: without it these are left out."""

import random
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from shutil import copyfile
from typing import Any

import pytest

if find_spec("torch") is None or find_spec("gguf") is None:
    pytest.skip("training needs PyTorch and gguf", allow_module_level=True)
sys.path.insert(0, str(Path(__file__).parents[2]))  # `training` is no package of the distribution

from training.pilot.export import export, stored_weights
from training.pilot.model import Pilot, Shape
from training.pilot.muon import Muon, orthogonal
from training.pilot.quick import Quick, compiled
from training.pilot.tokenizer import load
from training.pilot.train import POOL, TIMES, Batches, Example, hardest, save

torch: Any = import_module("torch")
TOKENIZER = Path(__file__).parents[2] / "training" / "pilot" / "tokenizer.json"
LIBRARY = compiled()


def batches() -> Batches:
    return Batches(load(TOKENIZER), random.Random(3), 4096, 2048, "cpu")


@pytest.mark.skipif(LIBRARY is None, reason="needs a compiler and a processor with AMX")
def test_quick_gives_what_pytorch_gives_and_the_same_gradients() -> None:
    assert LIBRARY is not None
    torch.manual_seed(1)
    model = Pilot(Shape(60, width=128, layers=3, heads=2, inner=192))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(4 if parameter.dim() > 1 else 1).add_(torch.rand_like(parameter) * 0.01)
    tokens, wanted = torch.randint(0, 60, (3, 96)), torch.rand(3, 96) < 0.4
    found: list[list[Any]] = []
    count = int(wanted.sum())
    for hidden in (model(tokens)[wanted], Quick(model, LIBRARY).hidden(tokens, wanted)[:count]):
        model.zero_grad()
        model.read_out(hidden).logsumexp(-1).sum().backward()
        found.append([hidden.detach(), *(each.grad.clone() for each in model.parameters() if each.grad is not None)])
    for exact, quick in zip(*found, strict=True):
        assert (exact - quick).norm() < 0.02 * exact.norm()  # bfloat16 has eight bits


def example(kind: str, loss: float, seen: int = 1) -> Example:
    return Example(kind, [1], [True], seen, loss)


def test_the_hardest_of_each_kind_come_again_but_not_for_ever() -> None:
    easy = [example("a", 0.1) for _ in range(6)]
    hard, known = example("a", 0.5), example("a", 0.9, seen=TIMES)
    harder = [example("b", 5.0 + number) for number in range(3)]
    assert hardest([*easy, hard, known, *harder, example("a", 9.0, seen=0)]) == [hard, harder[2]]


def test_a_pool_begins_with_what_was_hard_in_the_one_before() -> None:
    source = batches()
    source.next(1)
    for each in source.pool:
        each.seen, each.loss = 1, 1.0
    source.ready.clear()
    again = hardest(source.pool)
    source.next(1)
    assert len(source.pool) == POOL
    assert source.pool[: len(again)] == again


def test_losses_are_told_to_the_documents_that_had_them() -> None:
    source = batches()
    tokens, learnt = source.next(1)
    source.tell([float(row) for row in range(len(tokens))])
    for row, each in enumerate(source.given):
        assert each.loss == row / len(each.tokens)
        assert tokens[row, : len(each.tokens)].tolist() == each.tokens
        assert int(learnt[row].sum()) == sum(each.learnt)


def test_muon_makes_a_matrix_nearly_orthogonal() -> None:
    torch.manual_seed(1)
    singular = torch.linalg.svdvals(orthogonal(torch.randn(2, 48, 32)))
    assert singular.min() > 0.4
    assert singular.max() < 1.4


def test_what_is_exported_is_read_back_and_can_be_mixed_with_what_was_before(tmp_path: Path) -> None:
    copyfile(TOKENIZER, tmp_path / "tokenizer.json")
    shape = Shape(load(TOKENIZER).get_vocab_size(), width=128, layers=1, heads=2, inner=64)
    models = [Pilot(shape) for _ in range(2)]
    for number, model in enumerate(models):
        adam = torch.optim.AdamW(model.parameters())
        save(tmp_path, model, adam, Muon([]), list(model.parameters()), 1, 1)
        before = tmp_path / "0.gguf" if number else None
        export(tmp_path, tmp_path / f"{number}.gguf", other=before, share=0.25)
    found = stored_weights(tmp_path / "1.gguf", 1)
    for (name, old), new in zip(models[0].named_parameters(), models[1].parameters(), strict=True):
        assert torch.allclose(found[name], old * 0.75 + new * 0.25, atol=1e-3)
