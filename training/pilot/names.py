"""Names, numbers and filler words drawn at random, so that copying is the only way to be right.

Two disjoint worlds: what training draws from, and what evaluation draws from (`held_out=True`). They differ
in the lists of real-looking names, in the syllables that invented names are built of, and in the filler words.
"""

import json
import random
import string
from pathlib import Path

from training.pilot.words import HELD_OUT, TRAINING, lists

_TRAIN = lists(TRAINING)
_HELD_OUT = lists(HELD_OUT)
_CONSONANTS = "bcdfghjklmnpqrstvwxyz"


def _pieces() -> list[str]:
    """The tokenizer's short pieces, none before it is learnt: what is seldom seen is not copied well.

    Of four letters at most, so that no word that tells a severity (`failed`) is among them.
    """
    path = Path(__file__).with_name("tokenizer.json")
    if not path.exists():
        return []
    vocabulary = json.loads(path.read_text())["model"]["vocab"]
    return sorted(
        piece for piece in vocabulary if len(piece) <= 4 and piece.isascii() and piece.isalpha() and piece.islower()
    )


PIECES = _pieces()


class Names:
    """Draws from one of the two worlds; `rng` decides everything."""

    def __init__(self, rng: random.Random, *, held_out: bool = False, template_held_out: bool = False) -> None:
        self.rng = rng
        self.held_out = held_out
        self.template_held_out = template_held_out
        self.lists = _HELD_OUT if held_out else _TRAIN

    def pick(self, name: str) -> str:
        return self.rng.choice(self.lists[name])

    def word(self, most: int = 3) -> str:
        """An invented word: of this world's syllables, of any letters, and in training of any syllables or pieces."""
        rng = self.rng
        shape = rng.random()
        if shape < 0.25:
            return "".join(rng.choices(string.ascii_lowercase, k=rng.randint(2, 8)))
        if shape < 0.45 and not self.held_out and PIECES:
            return "".join(rng.choices(PIECES, k=rng.randint(2, most + 1)))
        if shape < 0.70 and not self.held_out:
            return "".join(self._syllable() for _ in range(rng.randint(1, most)))
        parts = [self.pick("onset") + self.pick("vowel") for _ in range(rng.randint(1, most))]
        return "".join(parts) + (self.pick("coda") if rng.random() < 0.6 else "")

    def _syllable(self) -> str:
        rng = self.rng
        onset = "".join(rng.choices(_CONSONANTS, k=rng.choice([0, 1, 1, 1, 2, 2, 3])))
        vowel = "".join(rng.choices("aeiouy", k=rng.choice([1, 1, 2])))
        return onset + vowel + "".join(rng.choices(_CONSONANTS, k=rng.choice([0, 0, 1, 1, 2])))

    def filler(self, least: int = 1, most: int = 3) -> str:
        words = [self.pick("filler") for _ in range(self.rng.randint(least, most))]
        if self.rng.random() < (0.25 if self.held_out else 0.55):
            words[self.rng.randrange(len(words))] = self.word()
        return " ".join(words)

    def proc(self) -> str:
        rng = self.rng
        shape = rng.random()
        if shape < 0.15:
            return self.pick("proc")
        if shape < 0.5:
            return self.word()
        if shape < 0.62:
            return f"{self.word(2)}-{self.word(2)}"
        if shape < 0.70:
            return f"{self.word(2)}d"
        if shape < 0.76:
            return self.word(2).capitalize() + self.word(2).capitalize()
        if shape < 0.82:
            return f"{self.word(2)}_{self.word(2)}"
        if shape < 0.88:
            return f"{self.word(2)}{rng.randint(1, 99)}"
        if shape < 0.92:
            return f"{self.word(2)}.{rng.choice(['sh', 'py', 'bin', 'exe'])}"
        if shape < 0.96:
            return f"{self.word(2)}{rng.randint(1, 12)}.{rng.randint(0, 20)}"
        return f"{self.word(1)}-{self.word(1)}-{self.word(1)}"

    def host(self) -> str:
        rng = self.rng
        shape = rng.random()
        if shape < 0.2:
            return self.pick("host")
        if shape < 0.6:
            return self.word(2)
        if shape < 0.8:
            return f"{self.word(2)}{rng.randint(1, 99)}"
        return f"{self.word(1)}-{self.word(1)}-{rng.randint(1, 20)}"

    def domain(self) -> str:
        return f"{self.host()}.{self.pick('domain')}"

    def user(self) -> str:
        if self.rng.random() < 0.3:
            return self.pick("user")
        return self.word(2) + (str(self.rng.randint(1, 99)) if self.rng.random() < 0.2 else "")

    def mount(self) -> str:
        shape = self.rng.random()
        if shape < 0.3:
            return self.pick("mount")
        if shape < 0.6:
            return f"/{self.word(2)}"
        if shape < 0.8:
            return f"/mnt/{self.word(2)}"
        return f"/{self.pick('dir')}/{self.word(2)}"

    def container(self) -> str:
        rng = self.rng
        shape = rng.random()
        if shape < 0.15:
            return self.pick("container")
        if shape < 0.4:
            return self.word(2)
        if shape < 0.65:
            return f"{self.word(2)}-{self.word(2)}"
        if shape < 0.85:
            return f"{self.word(2)}-{self.word(1)}-{rng.randint(1, 9)}"
        return f"{self.word(2)}_{self.word(1)}_{rng.randint(1, 9)}"

    def unit(self) -> str:
        rng = self.rng
        if rng.random() < 0.15:
            return self.pick("unit")
        name = self.proc().replace("/", "-")
        if rng.random() < 0.12:
            name += f"@{self.word(1)}"
        return f"{name}.{rng.choice(['service', 'service', 'service', 'service', 'timer', 'mount', 'socket'])}"

    def file(self) -> str:
        rng = self.rng
        stem = self.word(2)
        if rng.random() < 0.3:
            stem += rng.choice(["-", "_", "."]) + rng.choice([self.word(1), str(rng.randint(0, 2030))])
        return f"{stem}.{self.pick('ext')}"

    def path(self) -> str:
        rng = self.rng
        middle = [self.pick("dir")]
        middle += [self.word(2) for _ in range(rng.randint(0, 2))]
        return "/" + "/".join([*middle, self.file()])

    def ip(self) -> str:
        rng = self.rng
        if rng.random() < 0.04:
            return f"2001:db8::{rng.randint(0, 65535):x}:{rng.randint(0, 65535):x}"
        if rng.random() < 0.3:
            return f"10.{rng.randint(0, 9)}.{rng.randint(0, 255)}.{rng.randint(1, 254)}"
        return ".".join(str(rng.randint(1, 254)) for _ in range(4))

    def port(self) -> str:
        rng = self.rng
        return str(rng.choice([22, 25, 80, 443, 5432, 6379, 8080]) if rng.random() < 0.3 else rng.randint(100, 65535))

    def addr(self) -> str:
        return f"{self.ip() if self.rng.random() < 0.7 else self.domain()}:{self.port()}"

    def dev(self) -> str:
        rng = self.rng
        letter = rng.choice("efghij" if self.held_out else "abcdklmn")
        return rng.choice(
            [
                f"sd{letter}",
                f"sd{letter}{rng.randint(1, 9)}",
                f"nvme{rng.randint(0, 9)}n{rng.randint(1, 3)}",
                f"dm-{rng.randint(0, 30)}",
                f"vd{letter}",
                f"md{rng.randint(0, 127)}",
            ]
        )

    def iface(self) -> str:
        rng = self.rng
        return rng.choice(
            [
                f"eth{rng.randint(0, 5)}",
                f"enp{rng.randint(0, 9)}s{rng.randint(0, 31)}",
                f"wlan{rng.randint(0, 2)}",
                f"wlp{rng.randint(1, 9)}s0",
                f"br-{self.hex(6)}",
                f"veth{self.hex(5)}",
                f"{self.word(1)}{rng.randint(0, 3)}",
            ]
        )

    def sensor(self) -> str:
        return self.rng.choice(
            [self.word(2), f"{self.word(1)}_{self.word(1)}", f"{self.word(1)}{self.rng.randint(0, 9)}"]
        )

    def hex(self, length: int) -> str:
        return "".join(self.rng.choices("0123456789abcdef", k=length))

    def ident(self) -> str:
        rng = self.rng
        shape = rng.random()
        if shape < 0.3:
            return f"{self.hex(8)}-{self.hex(4)}-{self.hex(4)}"
        if shape < 0.6:
            return self.hex(rng.choice([7, 8, 12]))
        return f"{self.word(1)}-{rng.randint(1, 9999)}"

    def exception(self) -> str:
        ending = self.rng.choice(["Error", "Exception"])
        name = self.word(2).capitalize() + (self.word(1).capitalize() if self.rng.random() < 0.5 else "")
        return name + ending

    def url(self) -> str:
        rng = self.rng
        parts = [
            self.rng.choice([self.word(2), self.pick("filler"), f"v{rng.randint(1, 9)}"])
            for _ in range(rng.randint(1, 3))
        ]
        tail = f"?{self.word(1)}={rng.randint(0, 999)}" if rng.random() < 0.2 else ""
        return "/" + "/".join(parts) + tail

    def number(self) -> str:
        """A whole number of one to seven digits, each length as likely."""
        digits = self.rng.choice([1, 1, 2, 2, 3, 3, 4, 5, 6, 7])
        return str(self.rng.randint(10 ** (digits - 1), 10**digits - 1))

    def alike(self) -> "Names":
        """Names of few pieces, so that most of them share some: what slips while copying learns from these."""
        return _Alike(self.rng)


class _Alike(Names):
    """Training only; a document's worth, then a new one is wanted."""

    def __init__(self, rng: random.Random) -> None:
        super().__init__(rng)
        self.words = [super(_Alike, self).word() for _ in range(rng.randint(2, 6))]
        self.octets = [str(rng.randint(1, 254)) for _ in range(rng.randint(2, 5))]
        self.directories = [super(_Alike, self).pick("dir") for _ in range(rng.randint(1, 3))]

    def pick(self, name: str) -> str:
        return self.rng.choice(self.directories) if name == "dir" else super().pick(name)

    def word(self, most: int = 3) -> str:
        return self.rng.choice(self.words) if self.rng.random() < 0.85 else super().word(most)

    def ip(self) -> str:
        return ".".join(self.rng.choices(self.octets, k=4))
