"""The SQLite store holds what any store must hold."""

from pathlib import Path

import pytest
from store_conformance import Opened, StoreConformance

from wakeful.journal import Journal


class TestSqliteStore(StoreConformance):
    @pytest.fixture
    def opened(self, path: Path) -> Opened:
        return lambda: Journal.open(path)
