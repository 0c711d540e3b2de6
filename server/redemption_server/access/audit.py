"""The audit log: who was let in or kept out, and who changed the catalog or a credential.

Each line has `log="audit"` and is written whatever the level of the other logs. It never holds a
secret, nor a key that is not in the catalog: people type secrets into the wrong field.
"""

import logging
from typing import Any

import structlog

_log = structlog.wrap_logger(
    None, wrapper_class=structlog.make_filtering_bound_logger(logging.NOTSET), log="audit"
)


def audit(event: str, **fields: Any) -> None:
    """Writes one line."""
    _log.info(event, **fields)
