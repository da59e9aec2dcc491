"""The log of a process: each record is one JSON line on standard error, with the request's id and without secrets."""

from __future__ import annotations

import logging.config
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from shared.redaction import describe_failure, redact
from shared.telemetry.request_id import current_request_id

_Fields = MutableMapping[str, Any]


def log_json_lines(process: str) -> None:
    """Have everything that this process logs go out as JSON lines, gunicorn's loggers and structlog included."""
    steps = [
        _add_origin(process),
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper("iso", key="time"),
    ]
    structlog.configure(
        processors=[*steps, structlog.processors.JSONRenderer(ensure_ascii=False)],
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    formatter = {
        "()": structlog.stdlib.ProcessorFormatter,
        "foreign_pre_chain": [*steps, structlog.stdlib.add_logger_name],
        "processors": [
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            _describe_exception,
            _redact,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
    }
    configuration = {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": formatter},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
        "root": {"level": "INFO", "handlers": ["stderr"]},
        "loggers": {
            "gunicorn.error": {"level": "WARNING", "handlers": [], "propagate": True},
            "gunicorn.access": {"level": "CRITICAL", "handlers": [], "propagate": False},
            # Each retry of a store that is away would be a line of its own.
            "urllib3": {"level": "ERROR", "handlers": [], "propagate": True},
        },
    }
    logging.config.dictConfig(configuration)


def _redact(logger: Any, method: str, fields: _Fields) -> _Fields:
    """Take secrets out of what was quoted of a request, and of a traceback."""
    for name in ("event", "exception"):
        if name in fields:
            fields[name] = redact(str(fields[name]))
    return fields


def _describe_exception(logger: Any, method: str, fields: _Fields) -> _Fields:
    """Show an exception's type and frames; its text may hold anything."""
    info = fields.pop("exc_info", None)
    error = info[1] if isinstance(info, tuple) else info if isinstance(info, BaseException) else None
    if error is not None:
        fields["exception"] = describe_failure(error)
    return fields


def _add_origin(process: str) -> Any:
    def add_origin(logger: Any, method: str, fields: _Fields) -> _Fields:
        fields["process"] = process
        request_id = current_request_id()
        if request_id is not None:
            fields.setdefault("request_id", request_id)
        return fields

    return add_origin
