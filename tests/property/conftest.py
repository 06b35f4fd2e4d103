"""One hypothesis profile for every law: the same examples each run, and no clock."""

from hypothesis import settings

settings.register_profile("laws", derandomize=True, deadline=None, max_examples=60)
settings.load_profile("laws")
