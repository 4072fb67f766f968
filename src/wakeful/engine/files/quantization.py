"""Names of quantisations. Source: llama.cpp's `llama_ftype` in include/llama.h."""

import re

_FILE_TYPES = {
    0: "F32",
    1: "F16",
    2: "Q4_0",
    3: "Q4_1",
    7: "Q8_0",
    8: "Q5_0",
    9: "Q5_1",
    10: "Q2_K",
    11: "Q3_K_S",
    12: "Q3_K_M",
    13: "Q3_K_L",
    14: "Q4_K_S",
    15: "Q4_K_M",
    16: "Q5_K_S",
    17: "Q5_K_M",
    18: "Q6_K",
    19: "IQ2_XXS",
    20: "IQ2_XS",
    21: "Q2_K_S",
    22: "IQ3_XS",
    23: "IQ3_XXS",
    24: "IQ1_S",
    25: "IQ4_NL",
    26: "IQ3_S",
    27: "IQ3_M",
    28: "IQ2_S",
    29: "IQ2_M",
    30: "IQ4_XS",
    31: "IQ1_M",
    32: "BF16",
    36: "TQ1_0",
    37: "TQ2_0",
    38: "MXFP4",
}
"""By the number in `general.file_type`."""

_IN_NAME = re.compile(
    r"[-._]((?:UD-)?(?:I?Q\d+(?:_[0-9A-Z]+)*|TQ\d_\d|MXFP4(?:_MOE)?|NVFP4|BF16|F16|F32|FP16|FP32))$", re.IGNORECASE
)
_DIGITS = re.compile(r"\d+")


def quantization_of(stem: str, file_type: object) -> str:
    """As the file's name says, else as its head says; "" where neither does. stem: its name without `.gguf`."""
    found = _IN_NAME.search(stem)
    if found is not None:
        return found[1].upper()
    return _FILE_TYPES.get(file_type, "") if isinstance(file_type, int) else ""


def without_quantization(stem: str) -> str:
    """A file's name without the quantisation at its end."""
    return _IN_NAME.sub("", stem)


def bits_of(quantization: str) -> float:
    """Bits a number, as its name says: 4 for Q4_K_M; 0 where it says nothing. Really they are somewhat more."""
    found = _DIGITS.search(quantization)
    return float(found[0]) if found is not None else 0.0
