"""Writes a picture to a file: SVG as it is, PNG rendered from it."""

from pathlib import Path

from nightshift.errors import ConfigError

SUFFIXES = (".svg", ".png")
_ZOOM = 2
"""Pixels for each of the picture's own, so that small text stays sharp."""


def check_picture_path(path: Path) -> None:
    """Refuse a name whose ending says no kind of picture that we can write.

    :raises ConfigError: naming the endings.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise ConfigError(str(path), f"must end in {' or '.join(SUFFIXES)}")


def write_picture(path: Path, svg: str) -> None:
    """Write the picture as the file's ending says.

    :raises ConfigError: if the ending is another one, the file cannot be written, or there is no
        font to write text into a PNG with.
    """
    check_picture_path(path)
    content = svg.encode() if path.suffix.lower() == ".svg" else render_png(svg)
    try:
        path.write_bytes(content)
    except OSError as error:
        raise ConfigError(str(path), f"cannot be written: {error.strerror or error}") from error


def render_png(svg: str) -> bytes:
    """Render SVG text.

    :raises ConfigError: if this machine has no font: the text would be missing without a word.
    """
    import resvg_py

    if not _has_fonts():
        raise ConfigError(
            "PNG",
            "this machine has no font to write text with: install one, such as the package "
            "fonts-dejavu-core, or write an .svg, which needs none",
        )
    return bytes(resvg_py.svg_to_bytes(svg_string=svg, zoom=_ZOOM, sans_serif_family="DejaVu Sans"))


def _has_fonts() -> bool:
    """Tell whether a letter leaves a trace."""
    import resvg_py

    frame = '<svg xmlns="http://www.w3.org/2000/svg" width="20" height="20">{}</svg>'
    letter = '<text x="1" y="16" font-size="16" font-family="sans-serif">M</text>'
    empty, written = (
        bytes(
            resvg_py.svg_to_bytes(svg_string=frame.format(inner), sans_serif_family="DejaVu Sans")
        )
        for inner in ("", letter)
    )
    return empty != written
