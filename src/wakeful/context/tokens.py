"""How many tokens a prompt costs, where nobody can be asked: the client's estimate, for one model's prompts."""

from collections.abc import Sequence

from wakeful.context.prefix import Role
from wakeful.lmstudio import TokenEstimator

MESSAGE_TOKENS = 6
"""Tokens that a chat template adds around one message; ChatML takes 5."""

_TOO_LOW = 1.25
"""How many times what was thought a prompt has at least, that a server refused as too long without saying how long."""


class TokenEstimate:
    """Estimated tokens of what one model is given, rather too many than too few, learnt from counts of its server."""

    def __init__(self) -> None:
        self._estimator = TokenEstimator()

    def tokens(self, text: str) -> int:
        """Tokens of `text`."""
        return self._estimator.estimate(text).tokens

    def message_tokens(self, text: str) -> int:
        """Tokens of a chat message with this text, its template included."""
        return self.prompt_tokens([("user", text)])

    def prompt_tokens(self, messages: Sequence[tuple[Role, str]]) -> int:
        """Tokens of a whole prompt: less than the sum of its messages, since chance evens out."""
        return self._estimator.estimate(_sent(messages)).tokens

    def learn(self, messages: Sequence[tuple[Role, str]], tokens: int) -> None:
        """Takes in that a prompt was `tokens` long by the server's count."""
        self._estimator.learn(_sent(messages), tokens)

    def too_low(self, messages: Sequence[tuple[Role, str]]) -> None:
        """Takes in that a prompt thought to fit did not."""
        self.learn(messages, int(self.prompt_tokens(messages) * _TOO_LOW))


def _sent(messages: Sequence[tuple[Role, str]]) -> list[dict[str, object]]:
    return [{"role": role, "content": text} for role, text in messages]
