"""The routes of OpenAI's and Anthropic's interfaces, as far as LM Studio serves them."""

from aiohttp import web

from wakeful.engine.openai import chat, completions, embeddings, messages, models, responses


def routes() -> list[web.RouteDef]:
    """All of them."""
    return [
        web.get("/v1/models", models.show),
        web.post("/v1/chat/completions", chat.create),
        web.post("/v1/completions", completions.create),
        web.post("/v1/embeddings", embeddings.create),
        web.post("/v1/messages", messages.create),
        web.post("/v1/responses", responses.create),
    ]
