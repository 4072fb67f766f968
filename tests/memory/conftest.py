"""What the tests of memory share."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from memory_parts import opened

from wakeful.memory import Memory


@pytest.fixture
async def memory(tmp_path: Path) -> AsyncGenerator[Memory]:
    async with opened(tmp_path) as made:
        yield made
