"""Structured logs on standard error: readable on a console, JSON for machines."""

import logging
import os
import sys

import structlog

from redemption_server.settings import Settings


def configure_logs(settings: Settings) -> None:
    """Sets the format and level of this process's logs.

    Tracebacks are plain ones: those that show local variables would show secrets.
    """
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    processors: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if settings.log_format == "json":
        processors += [
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ]
    else:
        processors.append(
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            )
        )
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    # gRPC's core writes what clients did wrong straight to standard error, in the middle of our
    # lines and quoting bytes of theirs. It reads this when it is first imported.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    logging.basicConfig(level=max(level, logging.WARNING), stream=sys.stderr)
    # gRPC quotes metadata that is no text, credentials too.
    logging.getLogger("grpc._cython.cygrpc").addFilter(
        lambda record: record.msg != "Invalid encoding on %s"
    )
