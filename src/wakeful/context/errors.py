"""What can go wrong when a prompt is laid out.

WakefulError
└── OverBudget   what has to stay is longer than the budget
"""

from wakeful.events import WakefulError


class OverBudget(WakefulError):
    """What has to stay is longer than the budget.

    needed_tokens: of all that has to stay; budget_tokens: what there is
    """

    def __init__(self, message: str, *, needed_tokens: int, budget_tokens: int) -> None:
        super().__init__(message, hint="Load the model with a longer context, or shorten what is pinned.")
        self.needed_tokens = needed_tokens
        self.budget_tokens = budget_tokens
