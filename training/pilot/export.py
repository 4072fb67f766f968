"""Writes the trained model as GGUF: `python -m training.pilot.export --from DIR --to FILE.gguf`."""

import argparse
import json
import os
from pathlib import Path

import gguf
import numpy as np
import torch
from torch import Tensor

from training.pilot.model import Shape
from training.pilot.tokenizer import CONTROL, PRE, SCAFFOLD, TEMPLATE


def export(
    source: Path, target: Path, *, averaged: bool = False, other: Path | None = None, share: float = 0.5
) -> None:
    """The checkpoint in `source` as a GGUF file with 16-bit matrices, replaced in one step.

    averaged: the running average of the weights, the better choice while the learning rate is still high
    other: a GGUF file that this training began with, whose weights are mixed in; the checkpoint's have `share`
    """
    state = torch.load(source / "state.pt", map_location="cpu")
    shape = Shape(**json.loads((source / "shape.json").read_text()))
    weights: dict[str, Tensor] = state["model"]
    if averaged:
        weights = dict(zip(state["names"], state["average"]))
    if other:
        before = stored_weights(other, shape.layers)
        weights = {name: torch.lerp(before[name], weights[name], share) for name in before}
    new = target.with_suffix(".new")
    writer = gguf.GGUFWriter(new, "llama")
    writer.add_name("wakeful-pilot")
    writer.add_description("Wakeful's own small stand-in, trained from nothing on generated text")
    writer.add_license("apache-2.0")
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.inner)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.heads)
    writer.add_layer_norm_rms_eps(shape.epsilon)
    writer.add_rope_dimension_count(shape.width // shape.heads)
    writer.add_rope_freq_base(shape.rope_base)
    writer.add_vocab_size(shape.vocabulary)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    _add_tokenizer(writer, source / "tokenizer.json")

    def matrix(name: str, tensor: Tensor) -> None:
        writer.add_tensor(name, np.ascontiguousarray(tensor.to(torch.float16).numpy()))

    def vector(name: str, tensor: Tensor) -> None:
        writer.add_tensor(name, tensor.float().numpy())

    matrix("token_embd.weight", weights["embedding"])
    vector("output_norm.weight", weights["norm"])
    for number in range(shape.layers):
        ours, theirs = f"blocks.{number}.", f"blk.{number}."
        vector(theirs + "attn_norm.weight", weights[ours + "norm1"])
        vector(theirs + "ffn_norm.weight", weights[ours + "norm2"])
        for name, part in zip(("attn_q", "attn_k", "attn_v"), weights[ours + "qkv"]):
            matrix(f"{theirs}{name}.weight", part)
        matrix(theirs + "attn_output.weight", weights[ours + "out"])
        for name, part in zip(("ffn_gate", "ffn_up"), weights[ours + "gate_up"]):
            matrix(f"{theirs}{name}.weight", part)
        matrix(theirs + "ffn_down.weight", weights[ours + "down"])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    os.replace(new, target)
    print(f"{target}: {target.stat().st_size / 1e6:.2f} MB after {state['seen'] / 1e6:.1f} million tokens")


def stored_weights(path: Path, layers: int) -> dict[str, Tensor]:
    """The weights in a GGUF file that `export` wrote, named as `model.Pilot` names them, to go on training from."""
    read = {t.name: torch.from_numpy(np.array(t.data)).float() for t in gguf.GGUFReader(path).tensors}
    weights = {"embedding": read["token_embd.weight"], "norm": read["output_norm.weight"]}
    for number in range(layers):
        ours, theirs = f"blocks.{number}.", f"blk.{number}."
        weights[ours + "norm1"] = read[theirs + "attn_norm.weight"]
        weights[ours + "norm2"] = read[theirs + "ffn_norm.weight"]
        names = ("attn_q", "attn_k", "attn_v")
        weights[ours + "qkv"] = torch.stack([read[f"{theirs}{name}.weight"] for name in names])
        weights[ours + "out"] = read[theirs + "attn_output.weight"]
        names = ("ffn_gate", "ffn_up")
        weights[ours + "gate_up"] = torch.stack([read[f"{theirs}{name}.weight"] for name in names])
        weights[ours + "down"] = read[theirs + "ffn_down.weight"]
    return weights


def _add_tokenizer(writer: gguf.GGUFWriter, path: Path) -> None:
    stored = json.loads(path.read_text())
    ids: dict[str, int] = dict(stored["model"]["vocab"])
    for added in stored["added_tokens"]:
        ids[added["content"]] = added["id"]
    tokens = sorted(ids, key=lambda token: ids[token])
    kinds = dict.fromkeys(CONTROL, gguf.TokenType.CONTROL) | dict.fromkeys(SCAFFOLD, gguf.TokenType.USER_DEFINED)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(PRE)
    writer.add_token_list(tokens)
    writer.add_token_types([kinds.get(token, gguf.TokenType.NORMAL) for token in tokens])
    merges = stored["model"]["merges"]
    writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in merges])
    writer.add_bos_token_id(ids[CONTROL[0]])
    writer.add_eos_token_id(ids[CONTROL[2]])
    writer.add_pad_token_id(ids[CONTROL[0]])
    writer.add_add_bos_token(False)
    writer.add_chat_template(TEMPLATE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--from", dest="source", type=Path, required=True)
    parser.add_argument("--to", type=Path, required=True)
    parser.add_argument("--averaged", action="store_true")
    parser.add_argument("--with", dest="other", type=Path, help="GGUF file that training began with, to mix in")
    parser.add_argument("--share", type=float, default=0.5, help="share of the checkpoint in that mixture")
    options = parser.parse_args()
    export(options.source, options.to, averaged=options.averaged, other=options.other, share=options.share)


if __name__ == "__main__":
    main()
