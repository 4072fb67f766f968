"""A thought to show on the page."""

import time

from wakeful.events import Thought


def demo_thought(**changes: object) -> Thought:
    fields: dict[str, object] = {
        "at_ns": time.time_ns(),
        "cycle": "c1",
        "reason": "salience",
        "focus": "disk space on /data",
        "observed": "disk /data 97.0%",
        "assessment": "/data is 97.0% full and has about 2.1 hours left.",
        "severity": "critical",
        "evidence": (1,),
        "expected": "",
        "prediction_error": 0.9,
        "confidence": 0.7,
        "next_prediction": "/data fills further",
        "attention_internal": 0.1,
        "attention_external": 0.8,
        "attention_memory": 0.1,
        "action_needed": True,
        "action_type": "observe",
        "action_details": "find large files on /data",
        "self_assessment": "Serious.",
        "model": "qwen3-14b",
        "prompt_version": "base-1",
        "prompt_tokens": 640,
        "completion_tokens": 180,
        "duration_s": 3.2,
    }
    return Thought(**(fields | changes))  # type: ignore[arg-type]
