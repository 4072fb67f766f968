"""Did the server read the whole prompt? Some cut it without a word; the tokens they report give it away. No I/O."""

from wakeful.lmstudio.tokens.estimate import Estimate

FEW_TOKENS = 1024
"""Prompts below this are never cut: no context is as short."""

_BEFORE = 0.5
_AFTER = 0.3
_ENOUGH = 8
"""The share of the likely tokens that may be missing, before and after that many answers of the model were seen."""


def shortfall(estimate: Estimate, reported_tokens: int) -> int:
    """Tokens of the prompt that the server seems to have left out; 0 for none.

    Vocabularies differ by up to a third of what we expect, until the model's own has shown: only what no
    vocabulary explains counts.
    """
    if estimate.likely < FEW_TOKENS:
        return 0
    allowed = _AFTER if estimate.answers >= _ENOUGH else _BEFORE
    return round(estimate.likely) - reported_tokens if reported_tokens < estimate.likely * (1 - allowed) else 0
