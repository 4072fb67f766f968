"""How many tokens a text costs, estimated on the safe side and corrected by what the server reports."""

FIRST_GUESS_TOKENS_PER_BYTE = 0.55
"""Before the first answer: more than common tokenizers need for prose, JSON, logs or Chinese (0.25 to 0.5)."""

SAFETY = 1.06
"""The estimate stays this much above what was seen, so that one denser text does not overflow."""

MESSAGE_TOKENS = 6
"""Tokens that a chat template adds around one message; ChatML takes 5."""


class TokenEstimate:
    """Tokens per byte of the prompts that one model was given, learnt from the `usage` of its answers."""

    def __init__(self) -> None:
        self._tokens_per_byte = FIRST_GUESS_TOKENS_PER_BYTE
        self._learnt = False

    def tokens(self, text: str) -> int:
        """Estimated tokens of `text`, rounded up; rather too many than too few."""
        return int(len(text.encode("utf-8", "surrogatepass")) * self._tokens_per_byte * SAFETY) + 1

    def message_tokens(self, text: str) -> int:
        """Estimated tokens of a chat message with this text, its template included."""
        return self.tokens(text) + MESSAGE_TOKENS

    def learn(self, *, prompt_bytes: int, messages: int, prompt_tokens: int) -> None:
        """Takes in that a prompt of `messages` messages and `prompt_bytes` bytes in all was `prompt_tokens` long.

        Goes up at once and down slowly: an estimate that is too high costs some room, one that is too low
        overflows the context.
        """
        if prompt_bytes < 200 or prompt_tokens <= messages * MESSAGE_TOKENS:
            return
        seen = (prompt_tokens - messages * MESSAGE_TOKENS) / prompt_bytes
        if seen >= self._tokens_per_byte:
            self._tokens_per_byte = seen
        else:
            pull = 0.1 if self._learnt else 1.0
            self._tokens_per_byte += pull * (seen - self._tokens_per_byte)
        self._learnt = True

    def too_low(self) -> None:
        """Takes in that a prompt thought to fit did not."""
        self._tokens_per_byte *= 1.25
