"""All namespaces, by the path of their socket."""

from collections.abc import Mapping

from wakeful.engine.life.descriptor import Kind
from wakeful.engine.native import asking, loading, predict
from wakeful.engine.native.diagnostics import diagnostics
from wakeful.engine.native.files import files
from wakeful.engine.native.office import Exchange, Space, call, exchange
from wakeful.engine.native.repository import repository
from wakeful.engine.native.system import system


def namespaces() -> Mapping[str, Space]:
    """Each by its name. Those with nothing in them answer every call with an error."""
    spaces = (_llm(), _embedding(), system(), files(), repository(), diagnostics(), *map(Space, ("plugins", "runtime")))
    return {space.name: space for space in spaces}


def _llm() -> Space:
    calls = asking.shared("llm") | {
        "applyPromptTemplate": call(asking.Template, asking.apply_template),
        "preloadDraftModel": call(asking.Draft, asking.preload_draft),
    }
    channels = _loading("llm") | {
        "predict": exchange(predict.Predict, predict.predict),
        "completeRawText": exchange(predict.CompleteRawText, predict.complete_raw_text),
    }
    return Space("llm", calls, channels)


def _embedding() -> Space:
    calls = asking.shared("embedding") | {"embedString": call(asking.ToEmbed, asking.embed)}
    return Space("embedding", calls, _loading("embedding"))


def _loading(kind: Kind) -> dict[str, Exchange]:
    return {
        "getOrLoad": exchange(loading.GetOrLoad, loading.get_or_load(kind)),
        "loadModel": exchange(loading.LoadModel, loading.load_model(kind)),
    }
