"""The pure core: immutable values and functions of them. No I/O, no clock, no third-party code."""
