"""What an invoice says, as a checked value: the model is held to the type, and asked once more if it does not fit.

python examples/extract_an_invoice.py [FILE]
"""

import sys
from pathlib import Path

import msgspec

from wakeful.lmstudio import InvalidStructure, LMStudioClient

TEXT = "Invoice 2026-117. One disk, 16 TB: 129.50 EUR. Payable within 14 days."


class Line(msgspec.Struct):
    """What is charged for, and how much."""

    what: str
    price: float


class Invoice(msgspec.Struct):
    """An invoice with all its lines."""

    number: str
    total: float
    lines: list[Line]


def main() -> None:
    text = Path(sys.argv[1]).read_text(encoding="utf-8") if len(sys.argv) > 1 else TEXT
    with LMStudioClient() as client:
        try:
            got = client.structured(f"What does this invoice say?\n\n{text}", Invoice, temperature=0)
        except InvalidStructure as error:
            sys.exit(f"{error}\nIt said: {error.partial}")
    for line in got.value.lines:
        print(f"{line.what:<30}{line.price:>10.2f}")
    print(f"{'total of ' + got.value.number:<30}{got.value.total:>10.2f}")


if __name__ == "__main__":
    main()
