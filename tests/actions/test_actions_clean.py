import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wakeful.actions.clean import MASK, masked, outgoing, plain, visible

# what programs that show messages take for an address: a scheme, or a name with a top-level domain
ADDRESS = re.compile(
    r"\b[a-z][a-z0-9+.-]*://|\b(?:javascript|data|mailto):|(?<![\w.])(?:[\w-]+\.)+(?:com|org|net|io|sh|zip|example)\b",
    re.IGNORECASE,
)
HIDDEN = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07x\x1b]8;;http://evil\x1b\\y", "xy"),
        ("a\u202eb\u2066c\u200bd\ufeff", "abcd"),
        ("tag\U000e0041\U000e0042 end", "tag end"),
        ("one\r\ntwo\rthree\u2028four", "one\ntwo\nthree\nfour"),
        ("a" + "\u0301" * 50, "a\u0301"),
        ("nul\x00bel\x07", "nulbel"),
    ],
)
def test_plain(text: str, clean: str) -> None:
    assert plain(text) == clean


@pytest.mark.parametrize(
    "text",
    [
        "see https://evil.example.com/x?d=SECRET",
        "![x](http://evil.com/a.png)",
        "<img src=//evil.com/x>",
        "www.evil.com",
        "SECRET.evil.com",
        "ｅｖｉｌ．ｃｏｍ/x",
        "evil\u200b.com",
        "evil。com/a",
        "javascript:alert(1)",
        "data:text/html,x",
        "https:\\\\evil.com",
        "run install.sh now",
        "HTTPS://EVIL.COM",
        "slack://open?team=1",
    ],
)
def test_no_address_goes_out_whole(text: str) -> None:
    assert not ADDRESS.search(outgoing(text, max_chars=500))


@pytest.mark.parametrize(
    "text", ["nginx.service failed", "see /var/log/app.log", "10.0.0.9:5432", "python3.11", "v1.2.3"]
)
def test_what_a_person_needs_stays(text: str) -> None:
    assert outgoing(text, max_chars=500) == text


def test_no_markup_and_no_mention_goes_out() -> None:
    text = outgoing("<b>x</b> [a](b) `c` *d* __e__ @everyone <@123> <!channel>\n# title\n> quote\n- - -", max_chars=500)
    assert not re.search(r"[<>\[\]`*|\\]|__|@\w|!\w|^#|^>", text, re.MULTILINE)


@given(st.text(max_size=200))
def test_whatever_goes_out_is_clean(text: str) -> None:
    sent = outgoing(text, max_chars=100)
    assert len(sent) <= 100
    assert not any(unicodedata.category(each) in HIDDEN and each != "\n" for each in sent)
    assert not re.search(r"[<>\[\]`*|\\]", sent)
    assert not ADDRESS.search(sent)


@given(st.text(max_size=200))
def test_what_is_visible_is_one_line_of_letters(text: str) -> None:
    shown = visible(text)
    assert shown.isprintable()
    assert "\n" not in shown
    assert visible(text + "x") != shown


@pytest.mark.parametrize(
    "secret",
    [
        "sk-abcdefghijklmnopqrstuvwxyz",
        "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abcdefgh",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----",
        "$6$rounds=5000$abcdefghijklmnop$abcdefgh",
        "xoxb-1234567890-abcdef",
    ],
)
def test_secrets_are_masked(secret: str) -> None:
    assert secret not in masked(f"found {secret} here")


def test_named_secrets_are_masked_and_talk_of_them_is_not() -> None:
    assert masked("DB_PASSWORD=hunter22 ok") == f"DB_PASSWORD={MASK} ok"
    assert masked('api_key: "abc def"') == f"api_key: {MASK}"
    assert masked("Authorization: Bearer abcdef") == f"Authorization: Bearer {MASK}"
    assert masked("postgres://bob:hunter22@db/x") == f"postgres://{MASK}@db/x"
    assert masked("Failed password for root from 203.0.113.9") == "Failed password for root from 203.0.113.9"
