"""Where a mind keeps what it knows."""

from pathlib import Path

from wakeful.config import Settings

JOURNAL_FILE, INDEX_FILE, VECTORS_FILE = "journal.db", "index.db", "vectors.db"


def home_folder(settings: Settings) -> Path:
    """The folder of the journal: as set, else the platform's folder for data."""
    if settings.journal.home:
        return Path(settings.journal.home).expanduser()
    import platformdirs

    return Path(platformdirs.user_data_dir("wakeful", appauthor=False))


def journal_file(home: Path) -> Path:
    """The journal's file within its folder."""
    return home / JOURNAL_FILE


def index_file(home: Path) -> Path:
    """The index's file beside it."""
    return home / INDEX_FILE


def vectors_file(home: Path) -> Path:
    """The vectors' file beside it."""
    return home / VECTORS_FILE
