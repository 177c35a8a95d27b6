"""What can be seen from outside: one JSON line per callback and per outward call, and numbers for Prometheus.

Lines carry ids and milliseconds, never message content, names or secrets.
"""

import logging
import sys
from typing import TextIO

import structlog
from prometheus_client import Counter, Gauge, Histogram

CALLBACKS = Counter(
    "frontline_callbacks_total", "Callbacks by kind and outcome (stored, duplicate, rejected)", ["kind", "outcome"]
)
CALLBACK_SECONDS = Histogram(
    "frontline_callback_seconds",
    "From reading a callback's body to its answer",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5),
)
CALLS = Counter("frontline_wecom_calls_total", "Calls to WeCom by path and outcome", ["path", "outcome"])
CALL_SECONDS = Histogram("frontline_wecom_call_seconds", "How long WeCom took to answer", ["path"])
JOBS = Counter("frontline_jobs_total", "Jobs by kind and what became of them (done, retry, dead)", ["kind", "outcome"])
JOBS_WAITING = Gauge("frontline_jobs_by_state", "Jobs by state", ["state"])
WELCOMES = Counter("frontline_welcomes_total", "Welcomes by outcome", ["outcome"])
WELCOME_SECONDS = Histogram(
    "frontline_welcome_seconds",
    "From the add event's arrival to the welcome's acceptance by WeCom",
    buckets=(0.1, 0.25, 0.5, 1, 2, 5, 10, 20),
)

log = structlog.get_logger("frontline")


def configure_logs(stream: TextIO | None = None) -> None:
    """Write JSON lines to `stream` (standard error unless given); warnings of libraries go there too."""
    out = stream or sys.stderr
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    line: structlog.typing.Processor = structlog.processors.JSONRenderer(ensure_ascii=False)
    structlog.configure(
        processors=[*shared, line],
        logger_factory=structlog.WriteLoggerFactory(file=out),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(out)
    processors = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.format_exc_info,
        line,
    ]
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=processors))  # type: ignore[arg-type]
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
