"""The audit log of this door: requests that came without any credential.

What a credential is worth, the server judges, which has an audit log of its own.
"""

import logging
from typing import Any

import structlog

_log = structlog.wrap_logger(
    None, wrapper_class=structlog.make_filtering_bound_logger(logging.NOTSET), log="audit"
)


def audit(event: str, **fields: Any) -> None:
    """Writes one line, whatever the level of the other logs."""
    _log.info(event, **fields)
