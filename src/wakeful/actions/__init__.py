"""What may be done? Requests leave through an outbox, each at most once, and their results come back."""

from wakeful.actions.outbox import Outbox
from wakeful.actions.probe import look_closer

__all__ = ["Outbox", "look_closer"]
