"""The harness's one error."""


class HarnessError(Exception):
    """The cluster cannot be built, started or used; the text says what to do about it."""
