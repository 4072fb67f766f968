"""Text that leaves this program: without control characters, markup, addresses that a reader would open, or secrets."""

import re
import unicodedata

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_].*?(?:\x1b\\|\x07|$)|[ -/]*[0-~])", re.DOTALL)
_SPACES = re.compile(r"[ \t\x0b\x0c\r\u00a0\u2000-\u200a\u202f\u205f\u3000]+")
_HIDDEN = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
# Selectors of glyphs and the marks that stack on a letter without end.
_SELECTORS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0]")
_STACKED = re.compile(r"([\u0300-\u036f\u1ab0-\u1aff\u20d0-\u20ff])(?:[\u0300-\u036f\u1ab0-\u1aff\u20d0-\u20ff])+")

_SCHEME = re.compile(
    r"\b([a-z][a-z0-9+.-]{1,20}):(?=//|\S*[/@?=])|\b(javascript|data|mailto|tel|vbscript):", re.IGNORECASE
)
_NAME = re.compile(r"(?<![\w.])((?:[\w-]+\.)+)([^\W\d_]{2,24})(?![\w])")
# Endings of files and units: no top-level domains, so that no program takes `nginx.service` for an address.
_ENDINGS = frozenset(
    (
        *(
            "service",
            "timer",
            "socket",
            "mount",
            "target",
            "slice",
            "scope",
            "log",
            "conf",
            "cfg",
            "ini",
            "json",
            "jsonl",
        ),
        *(
            "toml",
            "yaml",
            "yml",
            "xml",
            "csv",
            "tsv",
            "txt",
            "lock",
            "pid",
            "err",
            "out",
            "db",
            "sqlite",
            "sock",
            "tmp",
        ),
        *("bak", "old", "gz", "xz", "bz", "zst", "tar", "img", "iso", "deb", "rpm", "exe", "dll", "ko", "local", "lan"),
    )
)
_MARKUP = str.maketrans({"<": "‹", ">": "›", "[": "(", "]": ")", "`": "'", "*": "∗", "|": "¦", "\\": "/"})
_MENTION = re.compile(r"[@!&](?=[\w#])")  # somebody is called, or an entity of HTML begins
_STRONG = re.compile(r"__+|~~+")
_LINE_MARK = re.compile(r"^(\s*)([#>=-])(?=[\s#>=-])", re.MULTILINE)

MASK = "(secret)"
_SECRETS = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
    r"|\b(?:sk|pk|rk)-[A-Za-z0-9_-]{16,}"
    r"|\bgh[pousr]_[A-Za-z0-9]{20,}|\bgithub_pat_[A-Za-z0-9_]{20,}|\bglpat-[A-Za-z0-9_-]{16,}"
    r"|\bxox[abposr]-[A-Za-z0-9-]{10,}|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|\bAIza[A-Za-z0-9_-]{30,}"
    r"|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"
    r"|\$(?:1|2[aby]|5|6|y|argon2\w*)\$[./A-Za-z0-9$=,]{16,}",
    re.DOTALL,
)
_NAMED_SECRET = re.compile(
    r"(?i)\b((?:[a-z0-9_-]*)(?:passw(?:or)?d|passwd|pwd|secret|token|api[_-]?key|access[_-]?key|credential|authorization)"
    r"[a-z0-9_-]*\s*(?:[=:]|\bis\b)\s*(?:bearer\s+|basic\s+)?)(?!\(secret\))(\"[^\"]*\"|'[^']*'|[^\s,;&\"']{4,})"
)
_USER_IN_ADDRESS = re.compile(r"(?<=://)[^\s/@]+:[^\s/@]+(?=@)")


def plain(text: str) -> str:
    """Text without what steers a terminal or turns writing round; line breaks stay, and no line has a hidden part."""
    text = _ANSI.sub("", text.replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n").replace("\u2029", "\n"))
    text = "".join(each for each in text if each in "\n\t" or unicodedata.category(each) not in _HIDDEN)
    return _STACKED.sub(r"\1", _SELECTORS.sub("", text))


def visible(text: str) -> str:
    """Text on one line in which nothing is hidden and nothing looks like something else.

    For what a person is asked to approve: all but ASCII and Latin letters is written as its number, `\\u202e`.
    """
    return "".join(each if _is_seen(each) else each.encode("unicode_escape").decode("ascii") for each in text)


def masked(text: str) -> str:
    """Text in which what looks like a secret (a key, a token, a password after its name) is masked."""
    text = _SECRETS.sub(MASK, text)
    text = _USER_IN_ADDRESS.sub(MASK, text)
    return _NAMED_SECRET.sub(rf"\1{MASK}", text)


def holds_secret(text: str) -> bool:
    """Whether something in the text looks like a secret."""
    return masked(text) != text


def outgoing(text: str, *, max_chars: int) -> str:
    """Text for a service outside, on which it is neither markup nor mention nor address.

    Services show a preview of addresses by opening them, by themselves: an address is a way out for whatever stands
    in it. So all addresses are broken: `https(:)//evil(.)example/…`.
    """
    text = masked(plain(text))
    text = _SPACES.sub(" ", text)
    text = unicodedata.normalize("NFKC", text)  # fullwidth dots and letters make addresses too
    text = masked("".join(each for each in text if each == "\n" or unicodedata.category(each) not in _HIDDEN))
    text = _STRONG.sub("_", text.translate(_MARKUP))
    text = _SCHEME.sub(lambda found: f"{found[1] or found[2]}(:)", text)
    text = _NAME.sub(_broken, text)
    text = _MENTION.sub(lambda found: f"{found[0]} ", text)
    text = _LINE_MARK.sub(r"\1· ", text)
    return text if len(text) <= max_chars else f"{text[: max_chars - 1]}…"


def _broken(found: re.Match[str]) -> str:
    """A name that could be a host's, broken at each dot."""
    *labels, ending = found[0].split(".")
    if ending.casefold() in _ENDINGS and not any(label.isalpha() for label in labels[1:]):
        return found[0]
    return "(.)".join([*labels, ending])


def _is_seen(char: str) -> bool:
    if char.isascii():
        return " " <= char <= "~" and char != "\\"
    return (
        char.isalpha()
        and unicodedata.name(char, "").startswith("LATIN ")
        and unicodedata.normalize("NFKC", char) == char
    )
