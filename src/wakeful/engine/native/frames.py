"""What goes over the socket: the envelope of calls and channels, in and out.

Source: the `Transport` and `authentication` modules of LM Studio's own JavaScript SDK.
"""

from typing import Any

import msgspec

_NULL = msgspec.Raw(b"null")
_encode = msgspec.json.Encoder().encode

BROKEN = (msgspec.MsgspecError, RecursionError, UnicodeError)
"""What reading JSON of strangers raises."""


class Authentication(msgspec.Struct, frozen=True, rename="camel"):
    """The client's first frame. An API token is cut in two: its first part the identifier, its second the passkey."""

    auth_version: int
    client_identifier: str
    client_passkey: str


class _Frame(msgspec.Struct, frozen=True, tag_field="type", rename="camel"):
    pass


class KeepAlive(_Frame, frozen=True, tag="keepAlive"):
    """Wants `keepAliveAck`."""


class CommunicationWarning(_Frame, frozen=True, tag="communicationWarning"):
    """The client could not read something that we sent."""

    warning: str
    kind: str | None = None


class RpcCall(_Frame, frozen=True, tag="rpcCall"):
    """A question with one answer."""

    endpoint: str
    call_id: int
    parameter: msgspec.Raw = _NULL


class ChannelCreate(_Frame, frozen=True, tag="channelCreate"):
    """Begins an exchange of several messages."""

    endpoint: str
    channel_id: int
    creation_parameter: msgspec.Raw = _NULL


class ChannelSend(_Frame, frozen=True, tag="channelSend"):
    """A message in a channel."""

    channel_id: int
    message: msgspec.Raw
    ack_id: int | None = None


class ChannelAck(_Frame, frozen=True, tag="channelAck"):
    """The client has got a message; we never ask for that."""

    channel_id: int
    ack_id: int


class SignalSubscribe(_Frame, frozen=True, tag="signalSubscribe"):
    """Wants a value and its changes; there are none here."""

    endpoint: str
    subscribe_id: int


class SignalUnsubscribe(_Frame, frozen=True, tag="signalUnsubscribe"):
    """No longer wants them."""

    subscribe_id: int


class WritableSignalSubscribe(_Frame, frozen=True, tag="writableSignalSubscribe"):
    """Wants a value that it may change; there are none here."""

    endpoint: str
    subscribe_id: int


class WritableSignalUnsubscribe(_Frame, frozen=True, tag="writableSignalUnsubscribe"):
    """No longer wants it."""

    subscribe_id: int


class WritableSignalUpdate(_Frame, frozen=True, tag="writableSignalUpdate"):
    """Changes it."""

    subscribe_id: int


Frame = (
    KeepAlive
    | CommunicationWarning
    | RpcCall
    | ChannelCreate
    | ChannelSend
    | ChannelAck
    | SignalSubscribe
    | SignalUnsubscribe
    | WritableSignalSubscribe
    | WritableSignalUnsubscribe
    | WritableSignalUpdate
)

authentication = msgspec.json.Decoder(Authentication).decode
frame: msgspec.json.Decoder[Frame] = msgspec.json.Decoder(Frame)

KEEP_ALIVE_ACK = b'{"type":"keepAliveAck"}'
ADMITTED = b'{"success":true}'


def not_admitted(why: str) -> bytes:
    """The answer to an authentication that fails."""
    return _encode({"success": False, "error": why})


def warning(text: str, kind: str) -> bytes:
    """Says that a frame could not be used. kind: one of the SDK's own words."""
    return _encode({"type": "communicationWarning", "warning": text, "kind": kind})


def rpc_result(call_id: int, result: bytes) -> bytes:
    """The answer to a call. result: JSON, b"" for none."""
    if not result:
        return b'{"type":"rpcResult","callId":%d}' % call_id
    return b'{"type":"rpcResult","callId":%d,"result":%b}' % (call_id, result)


def rpc_error(call_id: int, error: dict[str, Any]) -> bytes:
    """The refusal of a call."""
    return _encode({"type": "rpcError", "callId": call_id, "error": error})


def channel_send(channel_id: int, message: bytes) -> bytes:
    """A message in a channel. message: JSON."""
    return b'{"type":"channelSend","channelId":%d,"message":%b}' % (channel_id, message)


def channel_close(channel_id: int) -> bytes:
    """The end of a channel."""
    return b'{"type":"channelClose","channelId":%d}' % channel_id


def channel_error(channel_id: int, error: dict[str, Any]) -> bytes:
    """The end of a channel that failed."""
    return _encode({"type": "channelError", "channelId": channel_id, "error": error})


def signal_error(subscribe_id: int, error: dict[str, Any], *, writable: bool) -> bytes:
    """The refusal of a subscription."""
    kind = "writableSignalError" if writable else "signalError"
    return _encode({"type": kind, "subscribeId": subscribe_id, "error": error})
