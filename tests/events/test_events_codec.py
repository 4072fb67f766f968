import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wakeful import events
from wakeful.events import Event, Observation, UnknownEvent, decode, encode, kind_of
from wakeful.events.codec import _kinds


def test_every_kind_has_a_name_of_its_own_and_is_public() -> None:
    kinds = _kinds()
    assert len(kinds) >= 15
    assert all(cls.__name__ in events.__all__ for cls in kinds.values())


@given(
    st.builds(
        Observation,
        at_ns=st.integers(-(2**62), 2**62),
        source=st.text(),
        form=st.just("lines"),
        text=st.text(),
        values=st.dictionaries(st.text(), st.floats(allow_nan=False, allow_infinity=False)),
        attrs=st.dictionaries(st.text(), st.text()),
    )
)
def test_what_is_written_is_read(observation: Observation) -> None:
    assert decode(encode(observation)) == observation


def test_a_field_of_a_newer_version_is_passed_over() -> None:
    data = b'{"kind":"observation","at_ns":5,"schema":2,"source":"x","form":"lines","shiny":[1]}'
    event = decode(data)
    assert isinstance(event, Observation)
    assert event.schema == 2


def test_a_kind_of_a_newer_version_is_kept_whole() -> None:
    data = b'{"kind":"dream","at_ns":5,"colour":"blue"}'
    event = decode(data)
    assert isinstance(event, UnknownEvent)
    assert kind_of(event) == "dream"
    assert event.at_ns == 5
    assert encode(event) == data


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b'{"kind":7}', b'{"kind":"observation","at_ns":"x"}'])
def test_what_is_no_event_is_refused(data: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode(data)


def test_events_can_not_be_changed() -> None:
    observation = Observation(at_ns=1, source="x", form="lines")
    assert isinstance(observation, Event)
    with pytest.raises(AttributeError):
        observation.text = "y"  # type: ignore[misc]
