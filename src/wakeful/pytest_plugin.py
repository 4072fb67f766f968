"""The pytest plugin: `pip install 'wakeful[testing]'`, and tests may ask for `lmstudio_server`."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import pytest

if TYPE_CHECKING:  # pytest loads this file in every run, whether or not a test needs it
    from wakeful.engine.testing.server import LMStudioServer

P = ParamSpec("P")
T = TypeVar("T")


@pytest.fixture
def lmstudio_server(make_lmstudio_server: "Callable[..., LMStudioServer]") -> "LMStudioServer":
    """LM Studio at `.url`, for this test alone. See `wakeful.engine.testing.LMStudioServer`.

    If a function given to `.script` raised, the test fails where it ends.
    """
    return make_lmstudio_server()


@pytest.fixture
def make_lmstudio_server() -> "Iterator[Callable[..., LMStudioServer]]":
    """Starts servers for this test: `make_lmstudio_server(tokens=["…"], jit=False)`; options of `LMStudioServer`."""
    from wakeful.engine.testing.server import LMStudioServer

    made: list[LMStudioServer] = []
    with ExitStack() as stack:

        def started(server: LMStudioServer) -> LMStudioServer:
            made.append(stack.enter_context(server))
            return server

        yield _then(LMStudioServer, started)
    errors = [error for server in made for error in server.script_errors]
    if errors:
        raise errors[0]


def _then(make: Callable[P, T], act: Callable[[T], T]) -> Callable[P, T]:
    """Make one with any options that it knows, and act on it."""
    return lambda *args, **options: act(make(*args, **options))
