"""What can be seen from outside: one JSON line per callback and per outward call, and numbers for Prometheus.

Lines carry ids and milliseconds, never message content, names or secrets.
"""

import asyncio
import atexit
import json
import logging
import sys
import time
from datetime import UTC, datetime
from functools import cache
from typing import Any, TextIO, cast

import structlog
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web import RequestPayloadError
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
MODEL_CALLS = Counter("frontline_model_calls_total", "Calls to the language model by outcome", ["outcome"])
MODEL_SECONDS = Histogram(
    "frontline_model_call_seconds", "How long the language model took", buckets=(0.25, 0.5, 1, 2, 4, 8, 15)
)
MODEL_TOKENS = Counter("frontline_model_tokens_total", "Tokens the language model's answers say were used")
MODEL_WORK = Counter(
    "frontline_model_work_total", "Questions and drafts given to the language model, by kind and outcome",
    ["kind", "outcome"],
)  # fmt: skip

POUR_SECONDS = 0.2
log = structlog.get_logger("frontline")


def note_callback(kind: str, new: bool, seconds: float) -> None:
    """Count one stored callback and write its line.

    The line is made by hand: there can be thousands a second, and structlog's way takes as long as decrypting one does.
    """
    outcome = "stored" if new else "duplicate"
    callbacks(kind, outcome).inc()
    CALLBACK_SECONDS.observe(seconds)
    stamp = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    LINES.write(
        f'{{"event": "callback", "kind": "{kind}", "outcome": "{outcome}", "ms": {seconds * 1000:.1f}, '
        f'"level": "info", "timestamp": "{stamp}"}}\n'
    )
    LINES.flush()


@cache
def callbacks(kind: str, outcome: str) -> Counter:
    """The counter of one kind; its names come from a closed list."""
    return CALLBACKS.labels(kind, outcome)


ENCODER = json.JSONEncoder(ensure_ascii=False, default=repr)


def to_json(line: Any, **_: Any) -> str:
    """One line; an encoder made once is twice as fast as `json.dumps` with options."""
    return ENCODER.encode(line)


class Lines:
    """A stream that keeps lines for a fifth of a second: a system call for each would cost more than the line."""

    def __init__(self) -> None:
        self.stream: TextIO = sys.stderr
        self.kept: list[str] = []
        self.poured_at = 0.0
        atexit.register(self.pour)

    def write(self, text: str) -> int:
        """Keep a piece of text."""
        self.kept.append(text)
        return len(text)

    def flush(self) -> None:
        """Called after every line; writes them out when it is time."""
        if time.monotonic() - self.poured_at > POUR_SECONDS:
            self.pour()

    def pour(self) -> None:
        """Write out what is kept."""
        self.poured_at = time.monotonic()
        kept, self.kept = self.kept, []
        if kept and not self.stream.closed:
            self.stream.write("".join(kept))
            self.stream.flush()


LINES = Lines()


async def keep_pouring() -> None:
    """Write kept lines out for ever: the newest must not wait for the next one."""
    while True:
        await asyncio.sleep(POUR_SECONDS)
        LINES.pour()


def terse(record: logging.LogRecord) -> bool:
    """Make what aiohttp says about unreadable HTTP one line: its traceback quotes the request, signature and all."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, HttpProcessingError | RequestPayloadError):
        if record.msg == "Unhandled exception":
            return False  # aiohttp stumbles once more over the rest of a body that was refused already
        record.msg = "unreadable " + str(record.msg).removeprefix("Error handling ") + f": {type(error).__name__}"
        record.exc_info = None
    return True


def configure_logs(stream: TextIO | None = None) -> None:
    """Write JSON lines to `stream` (standard error unless given); warnings of libraries go there too."""
    LINES.stream = stream or sys.stderr
    out = cast("TextIO", LINES)
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    line: structlog.typing.Processor = structlog.processors.JSONRenderer(to_json)
    structlog.configure(
        processors=[*shared, line],
        logger_factory=structlog.WriteLoggerFactory(file=out),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(out)
    handler.addFilter(terse)
    processors = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.format_exc_info,
        line,
    ]
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=processors))  # type: ignore[arg-type]
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
