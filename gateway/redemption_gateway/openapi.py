"""The OpenAPI description of this door, as it is served."""

from pathlib import Path

import orjson
import yaml

_FILE = Path(__file__).parent / "openapi.yaml"


def openapi_document() -> bytes:
    """The description as JSON."""
    return orjson.dumps(yaml.load(_FILE.read_bytes(), Loader=_loader()))  # noqa: S506 — a safe one


def _loader() -> type[yaml.SafeLoader]:
    # The one in C, where the package has it, takes a tenth of the time.
    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)
