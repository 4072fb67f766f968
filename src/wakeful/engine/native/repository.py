"""The namespace `repository`: models to be had from elsewhere."""

from wakeful.engine.native.office import Space


def repository() -> Space:
    """Its endpoints."""
    return Space("repository")
