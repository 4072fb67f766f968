"""The rules of one socket, without the socket: frames in, what to do out."""

from collections.abc import Callable, Container
from dataclasses import dataclass
from typing import Protocol

from wakeful.engine.native import failures, frames

WARNINGS = 5
"""As with LM Studio: what goes wrong more often than this is not told any more."""


@dataclass(frozen=True, slots=True)
class Say:
    """Send this frame."""

    frame: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """Find the answer to a call. parameter: JSON."""

    endpoint: str
    call_id: int
    parameter: bytes


@dataclass(frozen=True, slots=True)
class Open:
    """Begin a channel. parameter: JSON."""

    endpoint: str
    channel_id: int
    parameter: bytes


@dataclass(frozen=True, slots=True)
class Pass:
    """Hand a message to an open channel. message: JSON."""

    channel_id: int
    message: bytes


@dataclass(frozen=True, slots=True)
class Leave:
    """Close the socket."""

    why: str


Action = Say | Answer | Open | Pass | Leave


class Namespace(Protocol):
    """What a socket is asked for by its path."""

    @property
    def name(self) -> str:
        """Such as `llm`."""
        ...

    @property
    def calls(self) -> Container[str]:
        """The endpoints that are called."""
        ...

    @property
    def channels(self) -> Container[str]:
        """The endpoints that open a channel."""
        ...


class Conversation:
    """What a client and we have said so far on one socket. Ids are the client's own; calls and channels apart.

    admit: gives why a client is not let in, "" if it is
    most_channels: open at a time
    exact: what can't be answered is only warned of, as LM Studio does, and its clients wait for an answer in vain
    """

    def __init__(
        self,
        namespace: Namespace,
        admit: Callable[[frames.Authentication], str],
        *,
        most_channels: int = 256,
        exact: bool = False,
    ) -> None:
        self.client = ""
        self._namespace = namespace
        self._admit = admit
        self._most_channels = most_channels
        self._exact = exact
        self._open: set[int] = set()
        self._warned = 0
        self._ended = False

    def receive(self, data: str | bytes) -> list[Action]:
        """What to do on a frame of the client's, in this order."""
        if self._ended:
            return []
        if not self.client:
            return self._authenticate(data)
        try:
            got = frames.frame.decode(data)
        except frames.BROKEN as error:
            return self._warn(f"Received a message that can't be read: {_brief(error)}", "unknown")
        match got:
            case frames.KeepAlive():
                return [Say(frames.KEEP_ALIVE_ACK)]
            case frames.RpcCall():
                return self._call(got)
            case frames.ChannelCreate():
                return self._create(got)
            case frames.ChannelSend():
                if got.channel_id in self._open:
                    return [Pass(got.channel_id, bytes(got.message))]
                return self._stray("channelSend", got.channel_id)
            case frames.ChannelAck():
                return [] if got.channel_id in self._open else self._stray("channelAck", got.channel_id)
            case frames.SignalSubscribe() | frames.WritableSignalSubscribe():
                writable = isinstance(got, frames.WritableSignalSubscribe)
                error = failures.unknown_endpoint(got.endpoint, self._namespace.name)
                return [Say(frames.signal_error(got.subscribe_id, error, writable=writable))]
            case frames.WritableSignalUpdate():
                said = f"Received writableSignalUpdate for unknown subscription, subscribeId = {got.subscribe_id}"
                return self._warn(said, "writableSignalUnknown")
            case _:
                return []

    def ended(self, channel_id: int) -> None:
        """A channel has come to its end; its id may be used again."""
        self._open.discard(channel_id)

    def _authenticate(self, data: str | bytes) -> list[Action]:
        try:
            shown = frames.authentication(data)
        except frames.BROKEN as error:
            return self._turn_away(f"The first message has to be an authentication: {_brief(error)}")
        if not shown.client_identifier:
            return self._turn_away("The client identifier is empty.")
        if why := self._admit(shown):
            return self._turn_away(why)
        self.client = shown.client_identifier
        return [Say(frames.ADMITTED)]

    def _turn_away(self, why: str) -> list[Action]:
        self._ended = True
        return [Say(frames.not_admitted(why)), Leave(why)]

    def _call(self, got: frames.RpcCall) -> list[Action]:
        if got.endpoint not in self._namespace.calls:
            error = failures.unknown_endpoint(got.endpoint, self._namespace.name)
            said = f"Received rpcCall for unknown endpoint, endpoint = {got.endpoint[:100]}"
            return self._unanswerable(said, "rpcEndpointUnknown", frames.rpc_error(got.call_id, error))
        return [Answer(got.endpoint, got.call_id, bytes(got.parameter))]

    def _create(self, got: frames.ChannelCreate) -> list[Action]:
        if got.channel_id in self._open:
            said = f"Received channelCreate for already open channel, channelId = {got.channel_id}"
            return self._warn(said, "channelAlreadyOpen")
        if got.endpoint not in self._namespace.channels:
            error = failures.unknown_endpoint(got.endpoint, self._namespace.name)
            said = f"Received channelCreate for unknown endpoint, endpoint = {got.endpoint[:100]}"
            return self._unanswerable(said, "channelEndpointUnknown", frames.channel_error(got.channel_id, error))
        if len(self._open) >= self._most_channels:
            error = failures.plain(f"This connection has {self._most_channels} channels open, which is the most.")
            return [Say(frames.channel_error(got.channel_id, error))]
        self._open.add(got.channel_id)
        return [Open(got.endpoint, got.channel_id, bytes(got.creation_parameter))]

    def bad_parameter(self, call_id: int, endpoint: str, error: Exception) -> list[Action]:
        """What to do when the parameter of a call does not have the form it should have."""
        refused = frames.rpc_error(call_id, failures.bad_parameter(endpoint, error))
        said = f"Received invalid parameter for rpcCall, endpointName = {endpoint}: {_brief(error)}"
        return self._unanswerable(said, "rpcParameterTypeError", refused)

    def bad_creation(self, channel_id: int, endpoint: str, error: Exception) -> list[Action]:
        """The same for a channel, which so comes to its end."""
        self.ended(channel_id)
        refused = frames.channel_error(channel_id, failures.bad_parameter(endpoint, error))
        said = f"Received invalid creationParameter for channel, endpointName = {endpoint}: {_brief(error)}"
        return self._unanswerable(said, "channelCreationParameterTypeError", refused)

    def _unanswerable(self, said: str, kind: str, refused: bytes) -> list[Action]:
        warned = self._warn(said, kind)
        return warned if self._exact else [*warned, Say(refused)]

    def _stray(self, kind: str, channel_id: int) -> list[Action]:
        return self._warn(f"Received {kind} for unknown channel, channelId = {channel_id}", "channelUnknown")

    def _warn(self, text: str, kind: str) -> list[Action]:
        self._warned += 1
        return [Say(frames.warning(text, kind))] if self._warned <= WARNINGS else []


def _brief(error: Exception) -> str:
    return str(error)[:200].encode("utf-8", "backslashreplace").decode()
