from nightshift.scanners import load_scanners
from nightshift.scanners.reference import render_reference
from tests.runner.scan_support import PROJECT


def test_the_page_is_current() -> None:
    page = (PROJECT / "docs" / "scanners.md").read_text(encoding="utf-8")

    assert page == render_reference(load_scanners().values()), (
        "run `python -m nightshift.scanners.reference > docs/scanners.md`"
    )


def test_it_names_every_scanner_and_flag() -> None:
    scanners = load_scanners()
    page = render_reference(scanners.values())

    for scanner in scanners.values():
        assert f"## {scanner.name}\n" in page
        assert all(word in page for word in scanner.command.argv)
