"""The scanners that Nightshift knows: one folder a tool.

Used by the planner (what to run, what it costs), by the pods (how to call it) and by the docs.
"""

from nightshift.scanners.definitions import ExitMeaning, OutputFrom, Scanner, ScannerResources
from nightshift.scanners.loading import SHIPPED, cache_key, get_scanner, load_scanners, rules_digest

__all__ = [
    "SHIPPED",
    "ExitMeaning",
    "OutputFrom",
    "Scanner",
    "ScannerResources",
    "cache_key",
    "get_scanner",
    "load_scanners",
    "rules_digest",
]
