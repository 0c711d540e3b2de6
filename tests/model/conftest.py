"""How long the machines run.

Short by default; `pytest --hypothesis-profile=soak tests/model` makes them run long.
"""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "model",
    max_examples=16,
    stateful_step_count=25,
    deadline=None,
    derandomize=False,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)
settings.register_profile(
    "soak", settings.get_profile("model"), max_examples=500, stateful_step_count=50
)
