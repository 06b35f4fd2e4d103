"""Pictures as files: what the ending says, or a clear refusal."""

from dataclasses import replace
from pathlib import Path

import pytest
import resvg_py

from nightshift.domain.ids import NodeName
from nightshift.domain.resources import Resources
from nightshift.domain.steering.usage import NodeUse
from nightshift.errors import ConfigError
from nightshift.pictures import files
from nightshift.pictures.nodes import Heading, Theme, draw_nodes

ROOM, HALF = Resources(4000, 8 * 2**30), Resources(2000, 2**30)


def uses(count: int) -> list[NodeUse]:
    return [
        NodeUse(NodeName(f"n{i:04d}"), ROOM, HALF, HALF, shards=1, reason=f"because {i}")
        for i in range(count)
    ]


def test_an_svg_is_written_as_it_is(tmp_path: Path) -> None:
    svg = draw_nodes(uses(2), Heading("Two <nodes>"))
    files.write_picture(tmp_path / "a.svg", svg)
    assert (tmp_path / "a.svg").read_text() == svg
    assert "Two &lt;nodes&gt;" in svg
    assert "because 1" in svg


def test_a_png_shows_what_the_svg_says(tmp_path: Path) -> None:
    pictures = []
    for count in (1, 2):
        path = tmp_path / f"{count}.PNG"
        files.write_picture(path, draw_nodes(uses(count), Heading("Nodes")))
        pictures.append(path.read_bytes())
    assert all(data.startswith(b"\x89PNG\r\n\x1a\n") for data in pictures)
    assert pictures[0] != pictures[1]


def test_a_png_without_any_font_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    real = resvg_py.svg_to_bytes
    monkeypatch.setattr(
        resvg_py, "svg_to_bytes", lambda **options: real(skip_system_fonts=True, **options)
    )
    with pytest.raises(ConfigError, match="has no font to write text with: install one"):
        files.render_png(draw_nodes(uses(1), Heading("Nodes")))


@pytest.mark.parametrize("name", ["plan", "plan.jpg", "plan.svg.gz"])
def test_another_ending_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"must end in \.svg or \.png"):
        files.write_picture(tmp_path / name, "<svg/>")


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be written: No such file"):
        files.write_picture(tmp_path / "nowhere" / "a.svg", "<svg/>")


def test_many_nodes_stay_readable() -> None:
    few, many = (draw_nodes(uses(count), Heading("Nodes")) for count in (40, 5000))
    assert "40 of 5,000 nodes are drawn one by one" in many
    assert "4,960 nodes" in many
    assert "drawn one by one" not in few
    assert len(many) < 200_000


def test_colours_follow_the_page_or_are_fixed() -> None:
    auto, light, dark = (draw_nodes(uses(1), Heading("Nodes"), theme) for theme in Theme)
    assert "prefers-color-scheme: dark" in auto
    assert "prefers-color-scheme" not in light + dark
    assert "#14181f" in dark
    assert "#14181f" not in light


def test_no_nodes_is_a_picture_too() -> None:
    assert "the cluster has no nodes" in draw_nodes([], Heading("Nothing"))


def test_a_reason_that_counts_pods_is_not_led_by_their_number() -> None:
    (one,) = uses(1)
    assert "gets 1 pod; because 0" in draw_nodes([one], Heading("Nodes"))
    counted = replace(one, reason="opened for 1 pod")
    assert "gets 1 pod" not in draw_nodes([counted], Heading("Nodes"))
