"""Laws of remotes, refs, and the paths that we write."""

import posixpath
from urllib.parse import quote, unquote

from hypothesis import given
from hypothesis import strategies as st

from nightshift.domain.ids import parse_repository_name
from nightshift.domain.languages import LANGUAGES, language_of
from nightshift.domain.repositories import (
    Remote,
    Transport,
    parse_ref,
    parse_remote,
    repository_name_of,
)
from nightshift.domain.worklists import CloneLimits
from nightshift.runner.clone_paths import link_escapes, refuse_path, shown_path
from tests.property.strategies_repositories import HOSTS, PATHS, RAW_PATHS, REMOTE_TEXTS


def try_remote(text: str) -> Remote | None:
    try:
        return parse_remote(text, tuple(Transport))
    except ValueError:
        return None


@given(REMOTE_TEXTS)
def test_whatever_is_taken_reads_back_the_same(text: str) -> None:
    remote = try_remote(text)
    if remote is not None:
        assert try_remote(remote.url) == remote


@given(REMOTE_TEXTS)
def test_whatever_is_taken_is_safe_to_hand_to_git(text: str) -> None:
    remote = try_remote(text)
    if remote is None:
        return
    assert remote.url.startswith(("https://", "ssh://", "file:///"))
    assert remote.url.isascii()
    assert remote.url.isprintable()
    assert "::" not in remote.url
    decoded = unquote(remote.path)
    assert decoded.isprintable()
    assert posixpath.normpath(decoded) == decoded
    assert not remote.host.startswith("-")


@given(HOSTS, PATHS)
def test_ordinary_remote_is_taken_however_its_path_is_encoded(host: str, path: str) -> None:
    remote = parse_remote(f"https://{host}{quote(path)}")
    assert remote == parse_remote(f"https://{host}{quote(path, safe='/~')}")
    assert unquote(remote.path) == path


@given(HOSTS, PATHS)
def test_name_made_of_a_remote_is_a_checked_name(host: str, path: str) -> None:
    remote = parse_remote(f"https://{host}{quote(path)}")
    try:
        name = repository_name_of(remote)
    except ValueError:
        return
    assert parse_repository_name(name) == name


@given(st.text(max_size=30))
def test_ref_that_is_taken_is_no_option_and_no_pattern(text: str) -> None:
    try:
        ref = parse_ref(text)
    except ValueError:
        return
    assert not ref.startswith("-")
    assert not set(ref) & set("*?[ ~^:\\\n\0")


@given(RAW_PATHS)
def test_path_that_is_written_stays_below_its_root(raw: bytes) -> None:
    if refuse_path(raw, CloneLimits()) is not None:
        return
    text = raw.decode()
    assert posixpath.normpath(f"/root/{text}") == f"/root/{text}"
    assert text.isprintable()
    assert ".git" not in text.lower().split("/")
    assert not text.startswith("-")


@given(RAW_PATHS)
def test_path_is_shown_in_printable_text_of_bounded_length(raw: bytes) -> None:
    assert shown_path(raw).isprintable()
    assert len(shown_path(raw * 50)) <= 1_024


@given(
    st.lists(st.sampled_from(["a", "b"]), min_size=1, max_size=4),
    st.lists(st.sampled_from([b"a", b"..", b".", b""]), max_size=8),
)
def test_link_that_does_not_escape_resolves_inside(path: list[str], target: list[bytes]) -> None:
    link, text = "/".join(path), b"/".join(target)
    if not link_escapes(link, text):
        resolved = posixpath.normpath(posixpath.join("/r", *path[:-1], text.decode() or "."))
        assert resolved == "/r" or resolved.startswith("/r/")


@given(st.text(max_size=40), st.binary(max_size=300))
def test_language_is_one_that_we_know_or_none(path: str, head: bytes) -> None:
    assert language_of(path, head) in LANGUAGES | {""}
