"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="Settings file; else ./wakeful.toml, else your configuration folder's."),
]
HomeOption = Annotated[Path | None, typer.Option("--home", help="Folder of the journal [env: WAKEFUL_HOME].")]
