"""For all tests: hypothesis judges what a function gives, not how long a busy machine took over it."""

from hypothesis import settings

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
