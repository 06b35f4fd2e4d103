"""Awkward remotes, paths and names."""

from hypothesis import strategies as st

HOSTS = st.from_regex(r"[a-z][a-z0-9-]{0,10}[a-z0-9]\.(com|org|io)", fullmatch=True)
PARTS = st.text(
    st.characters(codec="utf-8", exclude_categories=("C", "Z"), exclude_characters="/\\:"),
    min_size=1,
    max_size=12,
).filter(lambda part: part not in {".", ".."} and part.isprintable())
PATHS = st.lists(PARTS, min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts))

_SCRAPS = st.sampled_from([
    "https://", "ssh://", "file://", "ext::", "::", "-", "--", "@", ":", "/", "//", "..", "%2e",
    "%0a", "%00", "\n", "\0", " ", "localhost", "127.0.0.1", "github.com", "a", "[::1]", "#", "?",
])  # fmt: skip
REMOTE_TEXTS = st.one_of(
    st.text(max_size=80),
    st.lists(_SCRAPS, max_size=10).map("".join),
    st.lists(_SCRAPS, max_size=6).map(lambda scraps: "https://github.com/" + "".join(scraps)),
)
RAW_PATHS = st.one_of(
    st.binary(max_size=60),
    st.lists(
        st.sampled_from([
            b"a",
            b"..",
            b".",
            b".git",
            b".GIT",
            b"-x",
            b"\n",
            b"\xff",
            b"",
            b"\xc3\xa9",
        ]),
        max_size=8,
    ).map(b"/".join),
)
