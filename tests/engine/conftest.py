"""What the tests of the engine share: a model that exists nowhere else."""

from pathlib import Path

import pytest
from tiny_gguf import write_tiny_gguf


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A llama model of random weights, 0.2 MB."""
    return write_tiny_gguf(tmp_path_factory.mktemp("models") / "tiny.gguf")
