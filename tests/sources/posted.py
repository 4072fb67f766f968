"""Posts as well-known programs make them, shortened; written after their documentation."""

from typing import Any

ALERTMANAGER: dict[str, Any] = {
    "version": "4",
    "groupKey": '{}:{alertname="HighLoad"}',
    "status": "firing",
    "receiver": "wakeful",
    "groupLabels": {"alertname": "HighLoad"},
    "alerts": [
        {
            "status": "firing",
            "labels": {"alertname": "HighLoad", "instance": "web1:9100", "severity": "critical"},
            "annotations": {"summary": "load is 12 on 4 cores"},
            "startsAt": "2026-11-26T03:00:00Z",
            "generatorURL": "http://prometheus/graph?g0.expr=x",
            "fingerprint": "c0ffee",
        },
        {"status": "resolved", "labels": {"alertname": "HighLoad", "instance": "web2:9100"}, "annotations": {}},
    ],
}

GRAFANA: dict[str, Any] = {
    "receiver": "wakeful",
    "status": "firing",
    "orgId": 1,
    "alerts": [
        {
            "status": "firing",
            "labels": {"alertname": "Disk almost full", "grafana_folder": "hosts"},
            "annotations": {"description": "/data has 3 % left"},
            "values": {"B": 97.2, "C": 1},
            "valueString": "[ var='B' value=97.2 ]",
            "silenceURL": "https://grafana/alerting/silence/new",
        }
    ],
    "title": "[FIRING:1] Disk almost full",
    "message": "**Firing**",
}

KUMA_DOWN: dict[str, Any] = {
    "heartbeat": {
        "monitorID": 3,
        "status": 0,
        "time": "2026-11-26 03:00:00",
        "msg": "timeout of 48000ms",
        "ping": None,
    },
    "monitor": {"id": 3, "name": "Nextcloud", "url": "https://cloud", "interval": 60},
    "msg": "[Nextcloud] [Down] timeout of 48000ms",
}

KUMA_UP: dict[str, Any] = {
    "heartbeat": {"monitorID": 3, "status": 1, "msg": "200 - OK", "ping": 42},
    "monitor": {"id": 3, "name": "Nextcloud"},
    "msg": "[Nextcloud] [Up] 200 - OK",
}

GITHUB_RUN: dict[str, Any] = {
    "action": "completed",
    "workflow_run": {"id": 7, "name": "tests", "conclusion": "failure", "head_branch": "main", "run_number": 12},
    "repository": {"id": 5, "full_name": "someone/thing", "private": False},
    "sender": {"login": "someone", "id": 9},
}

GITHUB_PUSH: dict[str, Any] = {
    "ref": "refs/heads/main",
    "before": "0" * 40,
    "head_commit": {"id": "1" * 40, "message": "Mend the fence"},
    "repository": {"full_name": "someone/thing"},
    "sender": {"login": "someone"},
}
