"""What holds for every test: no property is timed, on whatever machine it runs."""

from hypothesis import settings

settings.register_profile("callgate", deadline=None)
settings.load_profile("callgate")
