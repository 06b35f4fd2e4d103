"""Makes ``open`` of text forgive bytes that are not UTF-8; Python imports this file by its name.

Why: flawfinder opens sources as strict text and ends at the first bad byte, so a single Latin-1
comment, or a hostile one, would leave a whole repository unscanned. Only its process sees this.
"""

import builtins
import functools

_open = builtins.open


@functools.wraps(_open)
def _forgiving_open(file, mode="r", *args, **options):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN002, ANN003, ANN202 - passes everything on as it came
    if "b" not in mode and len(args) < 3:
        options.setdefault("errors", "replace")
    return _open(file, mode, *args, **options)


builtins.open = _forgiving_open
