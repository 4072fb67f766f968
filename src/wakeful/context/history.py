"""A conversation that stays within a budget of tokens."""

from collections.abc import Sequence

from wakeful.context.errors import OverBudget
from wakeful.context.overflow import Counter, Fitted, OverflowPolicy, fit
from wakeful.lmstudio import Message

KEPT_SHARE = 0.5
"""Share of the budget that pruning leaves filled, so that the prompt's beginning stays the same for long after."""


class History:
    """Messages in order, pruned when they outgrow the budget.

    count: tokens of a message, its template included
    policy: what gives way; with `stopAtLimit` nothing does, and `prompt` raises OverBudget
    """

    def __init__(self, budget_tokens: int, count: Counter, *, policy: OverflowPolicy = "rollingWindow") -> None:
        self.budget_tokens = budget_tokens
        self.policy: OverflowPolicy = policy
        self._count = count
        self._messages: list[Message] = []
        self._pinned: list[bool] = []
        self._tokens = 0

    @property
    def messages(self) -> Sequence[Message]:
        """What it holds now, oldest first."""
        return tuple(self._messages)

    @property
    def tokens(self) -> int:
        """Tokens of all that it holds."""
        return self._tokens

    def add(self, message: Message, *, pinned: bool = False) -> None:
        """Appends a message. pinned: its exchange never leaves."""
        self._messages.append(message)
        self._pinned.append(pinned)
        self._tokens += self._count(message)

    def prompt(self, *, reserve_tokens: int = 0) -> Fitted:
        """What to send, within the budget less `reserve_tokens`; the history itself stays. Raises OverBudget."""
        return fit(
            self._messages,
            self.budget_tokens - reserve_tokens,
            self._count,
            policy=self.policy,
            pinned=[at for at, pinned in enumerate(self._pinned) if pinned],
        )

    def prune(self, keep: float = KEPT_SHARE) -> tuple[Message, ...]:
        """Where it has outgrown the budget, lets go of what is too much; gives what left, in order.

        keep: share of the budget that stays filled. One large step costs less than many small ones: what stays
            has to be read again each time. Raises OverBudget when what has to stay is longer than the budget.
        """
        if self._tokens <= self.budget_tokens:
            return ()
        pinned = [at for at, each in enumerate(self._pinned) if each]
        try:
            fitted = fit(self._messages, int(self.budget_tokens * keep), self._count, policy=self.policy, pinned=pinned)
        except OverBudget:  # what has to stay takes more than that
            fitted = fit(self._messages, self.budget_tokens, self._count, policy=self.policy, pinned=pinned)
        self._pinned = [self._pinned[at] for at in fitted.positions]
        self._messages = list(fitted.messages)
        self._tokens = fitted.tokens
        return fitted.left
