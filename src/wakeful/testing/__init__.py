"""What must a part of yours hold? Checks that every source of Wakeful passes, for whoever writes one."""

from wakeful.testing.source import Stir, check_source

__all__ = ["Stir", "check_source"]
