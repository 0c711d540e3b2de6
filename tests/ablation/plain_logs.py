"""A plugin of pytest: plain tracebacks in logs.

Those that show local variables take seconds, for which a writer would stand still.
"""

import structlog

structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(
            colors=False, exception_formatter=structlog.dev.plain_traceback
        ),
    ]
)
