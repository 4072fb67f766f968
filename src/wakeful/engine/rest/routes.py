"""The routes of LM Studio's own REST interfaces."""

from aiohttp import web

from wakeful.engine.rest import chat, downloads, lifecycle, v0


def routes() -> list[web.RouteDef]:
    """All of them."""
    return [
        web.get("/api/v0/models", v0.list_models),
        web.get("/api/v0/models/{id:.+}", v0.show_model),
        web.post("/api/v0/chat/completions", v0.create_chat),
        web.post("/api/v0/completions", v0.create_completion),
        web.post("/api/v0/embeddings", v0.create_embeddings),
        web.get("/api/v1/models", lifecycle.list_models),
        web.post("/api/v1/models/load", lifecycle.load),
        web.post("/api/v1/models/unload", lifecycle.unload),
        web.post("/api/v1/models/download", downloads.start),
        web.get("/api/v1/models/download/status/{job_id}", downloads.status),
        web.post("/api/v1/chat", chat.create),
    ]
