"""What holds for all tests: examples are drawn alike in every run, and none fails because a machine is slow or busy.

pytest --hypothesis-profile=default draws others each time.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile(
    "repeatable", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("repeatable")
