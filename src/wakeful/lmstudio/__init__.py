"""How do we speak to the model server? LM Studio first, and whatever speaks its OpenAI-compatible API."""

from wakeful.lmstudio.chat.act import ActResult, ToolRun, act
from wakeful.lmstudio.chat.batch import batch
from wakeful.lmstudio.chat.constrain import Manner, Manners
from wakeful.lmstudio.chat.events import (
    ChatEvent,
    ChatResult,
    ContentDelta,
    Finished,
    Message,
    PromptProgress,
    ReasoningDelta,
    ToolCall,
    ToolCallDelta,
    ToolCallEvent,
    Usage,
    UsageEvent,
)
from wakeful.lmstudio.chat.messages import Chat, Image
from wakeful.lmstudio.chat.request import AskOptions, CanChat, ChatOptions
from wakeful.lmstudio.chat.stream import ChatStream
from wakeful.lmstudio.chat.structured import Shape, Structured, structured
from wakeful.lmstudio.chat.tools import Tool
from wakeful.lmstudio.client import AsyncLMStudioClient, ServerHealth, ServerKind
from wakeful.lmstudio.errors import (
    AnswerError,
    AnswerTooLarge,
    AuthError,
    BadRequest,
    CircuitOpen,
    ClientClosed,
    ContextOverflow,
    EmptyAnswer,
    ErrorType,
    InvalidAddress,
    InvalidStructure,
    LMStudioError,
    LoadFailed,
    MalformedAnswer,
    MissingExtra,
    ModelCrashed,
    ModelNotFound,
    ModelStateError,
    ModelUnloaded,
    NoModelLoaded,
    NotLMStudio,
    RequestRefused,
    RouteMissing,
    ServerBusy,
    ServerError,
    ServerTooSlow,
    ServerUnreachable,
    StreamBroken,
)
from wakeful.lmstudio.hosts.cache import CacheCounts, ResponseCache
from wakeful.lmstudio.hosts.neighbour import Courtesy, Neighbour, Priority
from wakeful.lmstudio.hosts.pool import HostState, Pool
from wakeful.lmstudio.hosts.recovery import Recovery, Strategy
from wakeful.lmstudio.http.breaker import CircuitBreaker
from wakeful.lmstudio.http.retry import NO_RETRY, RetryConfig
from wakeful.lmstudio.http.sse import ServerSentEvent, SSEParser
from wakeful.lmstudio.interop.adapter import AdapterError, LMStudioAdapter
from wakeful.lmstudio.interop.described import (
    CompletionChoice,
    CompletionRequest,
    CompletionResponse,
    CompletionUsage,
    complete,
    list_models,
)
from wakeful.lmstudio.interop.openai import openai_client
from wakeful.lmstudio.interop.provider import LMStudioProvider
from wakeful.lmstudio.models.download import Download
from wakeful.lmstudio.models.ensure import best_that_fits
from wakeful.lmstudio.models.lifecycle import Loaded
from wakeful.lmstudio.models.listing import LoadedInstance, Model, choose_model
from wakeful.lmstudio.settings import DEFAULT_BASE_URL, Timeouts, normalise_base_url
from wakeful.lmstudio.statistics import CallRecord, ModelStatistics, Observer, Statistics
from wakeful.lmstudio.sync import BlockingChatStream, LMStudioClient
from wakeful.lmstudio.telemetry import Telemetry
from wakeful.lmstudio.tokens.estimate import Estimate, TokenEstimator

__all__ = [
    "DEFAULT_BASE_URL",
    "NO_RETRY",
    "ActResult",
    "AdapterError",
    "AnswerError",
    "AnswerTooLarge",
    "AskOptions",
    "AsyncLMStudioClient",
    "AuthError",
    "BadRequest",
    "BlockingChatStream",
    "CacheCounts",
    "CallRecord",
    "CanChat",
    "Chat",
    "ChatEvent",
    "ChatOptions",
    "ChatResult",
    "ChatStream",
    "CircuitBreaker",
    "CircuitOpen",
    "ClientClosed",
    "CompletionChoice",
    "CompletionRequest",
    "CompletionResponse",
    "CompletionUsage",
    "ContentDelta",
    "ContextOverflow",
    "Courtesy",
    "Download",
    "EmptyAnswer",
    "ErrorType",
    "Estimate",
    "Finished",
    "HostState",
    "Image",
    "InvalidAddress",
    "InvalidStructure",
    "LMStudioAdapter",
    "LMStudioClient",
    "LMStudioError",
    "LMStudioProvider",
    "LoadFailed",
    "Loaded",
    "LoadedInstance",
    "MalformedAnswer",
    "Manner",
    "Manners",
    "Message",
    "MissingExtra",
    "Model",
    "ModelCrashed",
    "ModelNotFound",
    "ModelStateError",
    "ModelStatistics",
    "ModelUnloaded",
    "Neighbour",
    "NoModelLoaded",
    "NotLMStudio",
    "Observer",
    "Pool",
    "Priority",
    "PromptProgress",
    "ReasoningDelta",
    "Recovery",
    "RequestRefused",
    "ResponseCache",
    "RetryConfig",
    "RouteMissing",
    "SSEParser",
    "ServerBusy",
    "ServerError",
    "ServerHealth",
    "ServerKind",
    "ServerSentEvent",
    "ServerTooSlow",
    "ServerUnreachable",
    "Shape",
    "Statistics",
    "Strategy",
    "StreamBroken",
    "Structured",
    "Telemetry",
    "Timeouts",
    "TokenEstimator",
    "Tool",
    "ToolCall",
    "ToolCallDelta",
    "ToolCallEvent",
    "ToolRun",
    "Usage",
    "UsageEvent",
    "act",
    "batch",
    "best_that_fits",
    "choose_model",
    "complete",
    "list_models",
    "normalise_base_url",
    "openai_client",
    "structured",
]
