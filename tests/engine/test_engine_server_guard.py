"""Who may ask the server, and what the others are told."""

import pytest
from served import CHAT, HI, served

from wakeful.engine.server.app import create_app
from wakeful.engine.server.guard import Guard, Unguarded, is_loopback
from wakeful.engine.server.settings import ServerSettings

TOKEN = "sk-lm-AbCd1234:0123456789abcdefghij"
OPEN = ServerSettings(port=0)
SHUT = ServerSettings(port=0, tokens=("sk-lm-another1:00000000000000000000", TOKEN))


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:1234", 200),
        ("127.0.0.1", 200),
        ("[::1]:1234", 200),
        ("LOCALHOST", 200),
        ("evil.example", 403),
        ("localhost.evil.example:1234", 403),
        ("[", 403),
    ],
)
async def test_without_a_token_only_this_machines_own_names_count(host: str, status: int) -> None:
    async with served(settings=OPEN) as server:
        answer = await server.get("/v1/models", Host=host)
    assert answer.status == status
    if status == 403:
        assert answer.json["error"]["code"] == "host_not_allowed"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": "http://localhost:1234", "Host": "localhost:1234"}, 200),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "http://localhost:9"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://["}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
    ],
)
async def test_a_page_elsewhere_may_not_use_the_server(headers: dict[str, str], status: int) -> None:
    async with served(settings=OPEN) as server:
        answer = await server.request("POST", CHAT, {"messages": HI, "model": "m"}, headers=headers)
        assert bool(server.asked) == (status == 200)
    assert answer.status == status
    if status == 403:
        assert answer.json["error"]["code"] == "origin_not_allowed"


async def test_with_cors_any_page_may() -> None:
    async with served(settings=ServerSettings(port=0, cors=True)) as server:
        answer = await server.post(CHAT, {"messages": HI, "model": "m"}, Origin="https://page.example")
        stream = await server.post(CHAT, {"messages": HI, "model": "m", "stream": True}, Origin="https://page.example")
    for each in (answer, stream):
        assert (each.status, each.headers["Access-Control-Allow-Origin"]) == (200, "*")


@pytest.mark.parametrize("tokens", [(), (TOKEN,)])
async def test_browsers_ask_before_they_show_a_token(tokens: tuple[str, ...]) -> None:
    asked = {"Origin": "https://page.example", "Access-Control-Request-Method": "POST"}
    async with served(settings=ServerSettings(port=0, cors=True, tokens=tokens)) as server:
        plain = await server.request("OPTIONS", CHAT, headers=asked)
        named = await server.request(
            "OPTIONS", CHAT, headers={**asked, "Access-Control-Request-Headers": "authorization,content-type"}
        )
        refused = await server.post(CHAT, {"messages": HI}, Origin="https://page.example")
    assert (plain.status, plain.text, plain.headers["Access-Control-Allow-Headers"]) == (204, "", "*")
    assert named.headers["Access-Control-Allow-Headers"] == "authorization,content-type"
    assert "POST" in named.headers["Access-Control-Allow-Methods"]
    for each in (plain, named, refused):
        assert each.headers["Access-Control-Allow-Origin"] == "*"
    assert refused.status == (401 if tokens else 400)


async def test_without_cors_there_are_no_such_headers_and_no_preflight() -> None:
    async with served(settings=OPEN) as server:
        answer = await server.request("OPTIONS", CHAT)
    assert answer.status == 404
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/v1/models", {"Authorization": f"Bearer {TOKEN}"}, 200),
        ("/v1/models", {"Authorization": f"bearer  {TOKEN}"}, 200),
        ("/v1/models", {"Authorization": f"Bearer {TOKEN}", "Host": "box.lan:1234"}, 200),
        ("/v1/models", {}, 401),
        ("/v1/models", {"Authorization": "Bearer "}, 401),
        ("/v1/models", {"Authorization": f"Basic {TOKEN}"}, 401),
        ("/v1/models", {"Authorization": f"Bearer {TOKEN[:-1]}"}, 401),
        ("/v1/models", {"Authorization": "Bearer lm-studio"}, 401),
        ("/v1/models", {"x-api-key": TOKEN}, 401),
        ("/no/such/route", {}, 401),
        ("/lmstudio-greeting", {}, 200),
        ("/lms-status", {}, 200),
    ],
)
async def test_with_tokens_one_must_be_shown(path: str, headers: dict[str, str], status: int) -> None:
    async with served(settings=SHUT) as server:
        assert (await server.get(path, **headers)).status == status


async def test_anthropics_header_counts_where_its_clients_go() -> None:
    body = {"model": "m", "max_tokens": 5, "messages": HI}
    async with served(settings=SHUT) as server:
        right = await server.post("/v1/messages", body, x_api_key=TOKEN)
        wrong = await server.post("/v1/messages", body, x_api_key="sk-ant-x")
        both = await server.post("/v1/messages", body, x_api_key=TOKEN, Authorization="Bearer sk-ant-x")
        bearer = await server.post("/v1/messages", body, Authorization=f"Bearer {TOKEN}")
    assert (right.status, bearer.status, both.status, wrong.status) == (200, 200, 200, 401)
    assert wrong.json["error"]["type"] == "authentication_error"


async def test_what_whoever_has_no_token_is_told() -> None:
    async with served(settings=SHUT) as server:
        none = await server.get("/v1/models")
        wrong = await server.get("/v1/models", Authorization="Bearer x")
        native = await server.get("/api/v1/models")
    said = "An LM Studio API token is required to make requests to this server, but none was provided using the Bearer"
    error = none.json["error"]
    assert error.pop("message").startswith(said)
    assert error == {"type": "invalid_request", "param": None, "code": "invalid_api_key"}
    assert wrong.json["error"]["message"] == "Malformed or unknown LM Studio API token provided."
    assert native.json["error"]["code"] == "invalid_api_key"


async def test_a_token_is_not_asked_for_where_none_is_set() -> None:
    async with served(settings=OPEN) as server:
        assert (await server.get("/v1/models", Authorization="Bearer whatever")).status == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "box.lan"])
async def test_other_machines_are_not_listened_to_without_a_token(host: str) -> None:
    async with served() as server:
        with pytest.raises(Unguarded, match="give at least one token"):
            create_app(server.models, ServerSettings(host=host))
        create_app(server.models, ServerSettings(host=host, tokens=(TOKEN,)))


def test_tokens_that_are_no_text_are_no_tokens() -> None:
    guard = Guard(SHUT)
    assert guard.knows(TOKEN)
    assert not guard.knows("\ud800")
    assert not guard.knows("")


def test_loopback() -> None:
    assert all(map(is_loopback, ("localhost", "127.0.0.1", "127.8.8.8", "::1", "[::1]")))
    assert not any(map(is_loopback, ("0.0.0.0", "example.com", "", "10.0.0.1")))
