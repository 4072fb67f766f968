"""Makes the stored journal of this version, which every later version must be able to read.

Run once per version of the file, `python tests/journal/data/make.py`; what is checked in is never made again.
"""

import asyncio
import shutil
import tempfile
from pathlib import Path

from wakeful.events import (
    ActionRequest,
    ActionResult,
    Answer,
    Cursor,
    Event,
    Health,
    Notification,
    Observation,
    Prediction,
    Question,
    Quiet,
    Salience,
    Session,
    SetAside,
    Summary,
    Thought,
    ThoughtFailed,
    ThoughtStarted,
)
from wakeful.journal import Journal

AT_NS = 1_790_000_000 * 10**9


def one_of_each() -> list[Event]:
    """An event of every kind that there is today."""
    return [
        Session(at_ns=AT_NS, state="started", version="0.1.0"),
        Observation(
            at_ns=AT_NS + 1,
            source="metrics",
            form="metrics",
            text="cpu 97.4%, memory 41.0%, load 8.80, disk / 50.1%, busiest mysqld 91.0% cpu",
            values={"cpu_percent": 97.4, "memory_percent": 41.0, "disk_percent:/": 50.1},
        ),
        Observation(
            at_ns=AT_NS + 2,
            source="log:/var/log/mail.log",
            form="lines",
            text="Nov 20 03:12:09 web1 postfix/smtp[311]: connect to 10.0.0.9:25: Connection refused",
            resume="4711",
        ),
        Salience(
            at_ns=AT_NS + 3,
            about=2,
            source="metrics",
            surprise_nats=9.5,
            precision=0.9,
            salience=0.8,
            threshold=0.6,
            reasons=("cpu 97.4 %, usually 12.1 %",),
        ),
        ThoughtStarted(at_ns=AT_NS + 4, cycle="c1", attempt=1, reason="salience", evidence=(2,)),
        Thought(
            at_ns=AT_NS + 5,
            cycle="c1",
            reason="salience",
            focus="cpu",
            observed="cpu at 97.4 %",
            assessment="mysqld keeps the processor busy",
            severity="warning",
            evidence=(2,),
            expected="quiet",
            prediction_error=0.7,
            confidence=0.6,
            next_prediction="it falls",
            attention_internal=0.1,
            attention_external=0.8,
            attention_memory=0.1,
            action_needed=True,
            action_type="observe",
            action_details="look at mysqld",
            self_assessment="clear",
            model="pilot",
            prompt_version="pilot-1",
            pilot=True,
        ),
        Prediction(at_ns=AT_NS + 6, cycle="c1", claim="it falls", probability=0.6, due_ns=AT_NS + 600 * 10**9),
        ActionRequest(at_ns=AT_NS + 7, key="c1:0", cycle="c1", action="observe", details="look at mysqld"),
        ActionResult(at_ns=AT_NS + 8, key="c1:0", outcome="done", text="mysqld 91 %"),
        Notification(at_ns=AT_NS + 9, key="n1", severity="warning", title="cpu", text="mysqld", evidence=(2, 6)),
        ThoughtFailed(at_ns=AT_NS + 10, cycle="c2", reason="idle", error="the answer was no JSON", raw="{"),
        SetAside(at_ns=AT_NS + 11, cycle="c2", evidence=(3,), attempts=2, why="it interrupted two thoughts"),
        Question(at_ns=AT_NS + 12, text="what happened?"),
        Answer(at_ns=AT_NS + 13, question=13, text="mysqld was busy", evidence=(2,), model="pilot"),
        Health(at_ns=AT_NS + 14, part="model", state="down", text="connection refused"),
        Quiet(
            at_ns=AT_NS + 15,
            since_ns=AT_NS,
            observations=2,
            habituated=1,
            last_seen_ns={"metrics": AT_NS + 1},
            thoughts_left=11,
        ),
        Summary(at_ns=AT_NS + 16, text="a busy minute", from_seq=1, to_seq=16),
    ]


async def main(path: Path) -> Path:
    async with await Journal.open(path, lock=False) as journal:
        entries = await journal.append(one_of_each())
        await journal.commit([], consumer="mind", expected=Cursor(""), cursor=entries[5].cursor)
        await journal.save_state("attention", b"\x01state")
        copy = path.with_name(path.name + ".copy")
        await journal.backup(copy)  # the whole journal in one file
    return copy


if __name__ == "__main__":
    target = Path(__file__).parent / "journal-0.1.db"
    with tempfile.TemporaryDirectory() as folder:
        shutil.move(asyncio.run(main(Path(folder) / "journal.db")), target)
    print(target.name, "made")
