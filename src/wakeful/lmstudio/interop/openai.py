"""How does a program that is written for `openai` use our connections? Through a ready `openai.AsyncOpenAI`."""

from typing import TYPE_CHECKING

from wakeful.lmstudio.errors import MissingExtra

if TYPE_CHECKING:
    import openai

    from wakeful.lmstudio.client import AsyncLMStudioClient

PLACEHOLDER_KEY = "lm-studio"
"""The API key that `openai` insists on; it is never sent: our transport has the real token."""


def openai_client(client: "AsyncLMStudioClient") -> "openai.AsyncOpenAI":
    """An `openai.AsyncOpenAI` whose requests go through `client`: its connections, deadlines, retries and token.

    It retries nothing by itself and has no deadlines of its own; a `timeout` given with a request only shortens
    ours. Errors are openai's own, with the LMStudioError as the cause's cause of an APIConnectionError; a stream
    that is cut off raises one instead of ending early. Closing it leaves `client` open.
    Raises MissingExtra when `openai` 3 is not installed.
    """
    try:
        import httpx2
        import openai

        from wakeful.lmstudio.interop.openai_transport import OurTransport
    except ImportError as error:
        raise MissingExtra.named("openai", "openai") from error
    return openai.AsyncOpenAI(
        api_key=PLACEHOLDER_KEY,
        base_url=f"{client.base_url}/v1",
        max_retries=0,
        timeout=None,
        http_client=httpx2.AsyncClient(transport=OurTransport(client.transport), timeout=None),
    )
