"""Scan requests and limits, awkward ones included."""

from hypothesis import strategies as st

from nightshift.domain.ids import AccountName, RepositoryName, ScanName, ScannerName
from nightshift.domain.resources import Resources
from nightshift.domain.shards import ScanRequest, ShardLimits


@st.composite
def scan_requests(draw: st.DrawFn, max_size: int = 40) -> list[ScanRequest]:
    """Draw requests of a few accounts, groups and repositories, no scan twice."""
    keys = draw(
        st.lists(
            st.tuples(st.sampled_from("ab"), st.integers(0, 12), st.sampled_from("xyz")),
            unique=True,
            max_size=max_size,
        )
    )
    return [
        ScanRequest(
            ScanName(f"1-{account}{repository}-{scanner}"),
            AccountName(account),
            RepositoryName(f"{account}{repository}"),
            ScannerName(scanner),
            Resources(draw(st.integers(0, 4000)), draw(st.integers(0, 10**10))),
            draw(st.floats(0, 2000) | st.just(0.0) | st.just(1e-9)),
            draw(st.integers(1, 3600)),
            group="semgrep" if scanner == "z" else "fast",
            priority=draw(st.integers(-2, 2)),
        )
        for account, repository, scanner in keys
    ]


def shard_limits() -> st.SearchStrategy[ShardLimits]:
    """Draw limits, from one scan a shard to more than there are."""
    return st.builds(
        ShardLimits,
        target_seconds=st.integers(1, 1000),
        longest_seconds=st.integers(1000, 5000),
        max_scans=st.integers(1, 50),
        max_shards=st.integers(1, 60),
        margin_seconds=st.integers(0, 300),
    )
