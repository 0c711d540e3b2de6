"""Programs that a machine may lack: tests that need one are skipped there, but never in CI."""

import os

# Read at import, since tests run with a scrubbed environment.
REQUIRE_TOOLS = os.environ.get("REDEMPTION_TEST_REQUIRE_TOOLS") == "1"
