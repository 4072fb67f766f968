"""What the tests of the engine share: a model that exists nowhere else."""

from pathlib import Path

import pytest
from hypothesis import settings
from tiny_gguf import write_tiny_gguf

from wakeful.pytest_plugin import lmstudio_server, make_lmstudio_server

__all__ = ["lmstudio_server", "make_lmstudio_server"]  # as the installed plugin offers them, from this checkout

# On a busy machine a test of a law may take its time: how long it takes is no part of the law.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A llama model of random weights, 0.2 MB."""
    return write_tiny_gguf(tmp_path_factory.mktemp("models") / "tiny.gguf")
