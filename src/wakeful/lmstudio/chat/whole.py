"""An answer that is asked for in one piece."""

import asyncio
from collections.abc import Sequence

from wakeful.lmstudio.chat.assembly import Assembly
from wakeful.lmstudio.chat.events import ChatEvent, ChatResult, Message
from wakeful.lmstudio.chat.experience import Experience
from wakeful.lmstudio.chat.request import MAX_TOKENS, ChatOptions, chat_body
from wakeful.lmstudio.errors import LMStudioError, MalformedAnswer, ServerTooSlow, StreamBroken
from wakeful.lmstudio.http.attempts import Attempts
from wakeful.lmstudio.http.transport import Reply, Transport, check, unreadable

CHAT_PATH = "/v1/chat/completions"


async def whole_chat(
    transport: Transport, experience: Experience, messages: str | Sequence[Message], options: ChatOptions
) -> ChatResult:
    """The answer, sent again as often as is safe. Raises LMStudioError."""
    loop = asyncio.get_running_loop()
    body = chat_body(messages, options, stream=False)
    model = options.get("model", "")
    attempts = Attempts(transport)

    def tell(result: ChatResult, error: LMStudioError | None = None) -> None:
        experience.tell(
            result,
            model=model,
            base_url=transport.base_url,
            retries=attempts.count - 1,
            streamed=False,
            options=options,
            error=error,
        )

    async with experience.turn(options, body) as told_first_token:
        begun_s = loop.time()
        while True:
            assembly = Assembly(wants_json=options.get("json_schema") is not None)
            try:
                limit_s = experience.expect(model, body).whole_s
                started_s = loop.time()
                async with transport.open("POST", CHAT_PATH, body, head_s=limit_s) as reply:
                    feed_whole(assembly, reply, await reply.read_all(started_s + limit_s, "whole"))
                spent_s = loop.time() - begun_s
                result = assembly.result(duration_s=spent_s, first_token_s=spent_s)
            except asyncio.CancelledError:
                experience.left(model, options.get("max_tokens", MAX_TOKENS))
                spent_s = loop.time() - begun_s
                tell(assembly.so_far(duration_s=spent_s, first_token_s=spent_s, interrupted="cancelled"))
                raise
            except LMStudioError as error:
                if isinstance(error, ServerTooSlow | StreamBroken):
                    experience.left(model, options.get("max_tokens", MAX_TOKENS))
                if await attempts.again(error):
                    continue
                spent_s = loop.time() - begun_s
                tell(assembly.so_far(duration_s=spent_s, first_token_s=spent_s), error)
                raise
            result = experience.learn(model, body, result, longest_gap_s=None)
            tell(result)
            writing_s = experience.deadlines.expected_decode_s(model, result.usage.completion_tokens or 0)
            if writing_s is not None:
                told_first_token(max(0.0, spent_s - writing_s))
            return result


def feed_whole(assembly: Assembly, reply: Reply, body: bytes) -> list[ChatEvent]:
    """Take a whole answer in. Raises the error that it is, if it is one."""
    check(reply, body)
    try:
        events = assembly.feed_whole(body)
    except MalformedAnswer as error:
        raise unreadable(reply, body) from error
    if not assembly.finish_reason:
        if not assembly.began:
            raise unreadable(reply, body)
        raise StreamBroken(
            "The answer has no finish reason: it was cut off.",
            status_code=reply.status,
            partial=assembly.text,
        )
    return events
