"""What holds for every test: no property is timed, on whatever machine it runs."""

from hypothesis import HealthCheck, settings

settings.register_profile("callgate", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("callgate")
