"""What does a person type? The commands, and the one place where the parts are put together."""

from wakeful.cli.app import main

__all__ = ["main"]
