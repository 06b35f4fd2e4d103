"""Time zones of the pinned ``tzdata`` wheel, so that every machine knows the same clocks."""

import functools
import re
import zoneinfo
from importlib import resources

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z][A-Za-z0-9_+-]*){0,2}")


@functools.cache
def read_zone(name: str) -> zoneinfo.ZoneInfo:
    """Read a time zone; the same name gives the same object, as zones compare by identity.

    :raises ValueError: if there is none of that name.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no time zone's name such as Europe/Berlin")
    place = resources.files("tzdata").joinpath("zoneinfo", *name.split("/"))
    try:
        with place.open("rb") as file:
            return zoneinfo.ZoneInfo.from_file(file, key=name)
    except (OSError, ValueError) as error:
        why = f"there is no time zone {name!r}; names are such as Europe/Berlin"
        raise ValueError(why) from error
