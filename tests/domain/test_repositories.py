"""Remotes, refs and names: what is taken, what is refused, and that nothing else gets through."""

import pytest

from nightshift.domain.repositories import (
    Remote,
    Transport,
    parse_ref,
    parse_remote,
    repository_name_of,
)

ALL = tuple(Transport)


@pytest.mark.parametrize(
    ("text", "remote"),
    [
        (
            "https://github.com/pallets/flask.git",
            Remote(Transport.HTTPS, "github.com", "/pallets/flask.git"),
        ),
        ("https://GitHub.com:443/a/b/", Remote(Transport.HTTPS, "github.com", "/a/b")),
        ("https://git.example.org:8443/a", Remote(Transport.HTTPS, "git.example.org", "/a", 8443)),
        ("https://git.sr.ht/~user/repo", Remote(Transport.HTTPS, "git.sr.ht", "/~user/repo")),
        (
            "https://dev.azure.com/org/My%20Project/_git/x",
            Remote(Transport.HTTPS, "dev.azure.com", "/org/My%20Project/_git/x"),
        ),
        ("https://example.org/%61b", Remote(Transport.HTTPS, "example.org", "/ab")),
        ("ssh://git@github.com/a/b", Remote(Transport.SSH, "github.com", "/a/b", user="git")),
        ("ssh://github.com:2222/a", Remote(Transport.SSH, "github.com", "/a", 2222)),
        ("file:///srv/git/x.git", Remote(Transport.FILE, "", "/srv/git/x.git")),
    ],
)
def test_remote_is_read_into_its_parts(text: str, remote: Remote) -> None:
    assert parse_remote(text, ALL) == remote
    assert parse_remote(remote.url, ALL) == remote


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "URL"),
        ("github.com/a/b", "URL"),
        ("git@github.com:a/b", "URL"),
        ("ext::sh -c id", "spaces"),
        ("ext::sh", "::"),
        ("https://github.com/a::b", "::"),
        ("--upload-pack=x", "URL"),
        ("-https://github.com/a", "URL"),
        ("http://github.com/a", "http is not allowed"),
        ("HTTPS://github.com/a", "URL"),
        ("git://github.com/a", "not allowed"),
        ("https://user@github.com/a", "no user or token"),
        ("https://user:pw@github.com/a", "no password"),
        ("ssh://git:pw@github.com/a", "no password"),
        ("ssh://-oProxyCommand=x/a", "names a host"),
        ("ssh://-l@github.com/a", "names a host"),
        ("https://-x.com/a", "names a host"),
        ("https:///a", "names a host"),
        ("https://github.com", "URL"),
        ("https://github.com/", "names a repository"),
        ("https://github.com//a", "empty"),
        ("https://github.com/a/../b", r"\.\. part"),
        ("https://github.com/a/%2e%2e/b", r"\.\. part"),
        ("https://github.com/a%2F..%2Fb", r"\.\. part"),
        ("https://github.com/a?x=1", "no query"),
        ("https://github.com/a#x", "no query"),
        ("https://github.com/a%0ab", "cannot be shown"),
        ("https://github.com/a%00", "cannot be shown"),
        ("https://github.com/a%ff", "not UTF-8"),
        ("https://github.com/a%zz", "letters, digits"),
        ("https://github.com/a\nb", "printable"),
        ("https://githüb.com/a", "ASCII"),
        ("https://github.com:0/a", "1 to 65535"),
        ("https://github.com:99999/a", "1 to 65535"),
        ("https://github.com:/a", "names a host"),
        ("https://127.0.0.1/a", "IP address"),
        ("https://2130706433/a", "IP address"),
        ("https://0x7f.1/a", "IP address"),
        ("https://1.2.3.0x04/a", "IP address"),
        ("https://[::1]/a", "::"),
        ("https://[fe80]/a", "names a host"),
        ("https://localhost/a", "private name"),
        ("https://git/a", "private name"),
        ("https://api.localhost/a", "private name"),
        ("https://git.default.svc/a", "private name"),
        ("https://git.default.svc.cluster.local/a", "private name"),
        ("https://metadata.google.internal/a", "private name"),
        ("https://printer.local/a", "private name"),
        ("file://host/a", "three slashes"),
        ("https://github.com/" + "a" * 500, "at most 500"),
    ],
)
def test_remote_is_refused_with_the_rule(text: str, rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        parse_remote(text, ALL)


@pytest.mark.parametrize("text", ["file:///srv/x", "ssh://git@github.com/a/b"])
def test_https_is_all_that_is_allowed_unless_more_is_listed(text: str) -> None:
    with pytest.raises(ValueError, match="only https"):
        parse_remote(text)


def test_transport_that_nobody_knows_is_refused_even_if_listed() -> None:
    with pytest.raises(ValueError, match="not allowed"):
        parse_remote("ext://github.com/a", ("ext", "https"))


@pytest.mark.parametrize("host", ["localhost", "git.corp.internal", "127.0.0.1"])
def test_private_host_is_taken_when_it_is_listed(host: str) -> None:
    assert parse_remote(f"https://{host}:8443/a", allowed_hosts=[host]).host == host


def test_listed_host_does_not_allow_those_below_it() -> None:
    with pytest.raises(ValueError, match="private"):
        parse_remote("https://a.git.internal/a", allowed_hosts=["git.internal"])


@pytest.mark.parametrize(
    "text", ["main", "feature/x-1", "v1.2.3", "refs/heads/a", "HEAD", "a" * 40]
)
def test_ref_is_taken(text: str) -> None:
    assert parse_ref(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "", "-x", "--upload-pack=x", "a b", "a..b", "a~1", "a^{}", "a:b", "a?", "a*", "a[b", "a\\b",
        "a@{1}", "@", "/a", "a/", "a//b", ".a", "a/.b", "a.lock", "a.lock/b", "a.", "ä", "a\n",
        "a" * 201,
    ],
)  # fmt: skip
def test_ref_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="ref"):
        parse_ref(text)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://github.com/pallets/flask.git", "flask"),
        ("https://github.com/pallets/flask", "flask"),
        ("https://github.com/a/.github", "github"),
        ("https://github.com/a/My%20Project", "My-Project"),
        ("https://github.com/a/c++", "c-"),
        ("https://github.com/a/" + "x" * 150, "x" * 100),
    ],
)
def test_name_comes_from_the_last_part_of_the_path(url: str, name: str) -> None:
    assert repository_name_of(parse_remote(url)) == name


def test_remote_without_a_usable_name_is_refused() -> None:
    with pytest.raises(ValueError, match="name"):
        repository_name_of(parse_remote("https://github.com/a/.git"))
