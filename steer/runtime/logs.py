"""The edge's own log: one JSON object a line on standard error, in the same shape from every process."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime


class JsonLines(logging.Formatter):
    """`{"time", "level", "event", "what", "reason"}`; `reason` is a traceback where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        fields = {
            "time": moment.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "event": record.name,
            "what": record.getMessage(),
            "reason": self.formatException(record.exc_info) if record.exc_info else "",
        }
        return json.dumps(fields, ensure_ascii=False)


def log_to_stderr(level: str) -> None:
    """`level`: debug, info, warning or error."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
