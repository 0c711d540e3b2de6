"""How long the machines run.

Short by default. `HYPOTHESIS_PROFILE=soak pytest tests/model` makes them run long, and so does
`--hypothesis-profile=soak`; Hypothesis itself does not look at the variable.
"""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "model",
    max_examples=25,
    stateful_step_count=22,
    deadline=None,
    derandomize=False,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)
settings.register_profile(
    "soak", settings.get_profile("model"), max_examples=500, stateful_step_count=50
)
