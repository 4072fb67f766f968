"""Why something can't be done.

ActionError
├── ToolFailed        the tool ran, or could not be begun, and did not do its work
├── ToolUnsure        the tool may or may not have done its work
├── ArgumentsWrong    what the model wrote does not fit the tool, or reaches outside of what the user allowed
├── NoSuchApproval    nothing of this code waits for a person
└── ExtraMissing      a package that is not installed is needed for it
"""

from wakeful.events import WakefulError


class ActionError(WakefulError):
    """Something can't be done."""


class ToolFailed(ActionError):
    """The tool did not do its work."""


class ToolUnsure(ActionError):
    """The tool may or may not have done its work."""


class ArgumentsWrong(ActionError):
    """The arguments do not fit the tool, or reach outside of what the user allowed."""


class NoSuchApproval(ActionError):
    """Nothing of this code waits for a person, or not any more."""


class ExtraMissing(ActionError):
    """A package that is not installed is needed."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs a package that is not installed.", hint=f"pip install 'wakeful[{extra}]'")
