from nightshift.domain.batches import BatchFile, BatchJob
from nightshift.domain.ids import AccountName, RepositoryName, ScannerName
from nightshift.domain.repositories import parse_remote
from nightshift.domain.resources import Resources


def job(name: str, account: str = "default", priority: int = 0) -> BatchJob:
    return BatchJob(
        RepositoryName(name),
        parse_remote(f"https://github.com/x/{name}"),
        (ScannerName("ruff"),),
        Resources(500, 3_500_000_000),
        AccountName(account),
        priority=priority,
    )


def test_the_demand_is_the_sum_of_all_jobs() -> None:
    assert BatchFile((job("a"), job("b"))).demand == Resources(1000, 7_000_000_000)


def test_jobs_are_grouped_by_account_in_the_files_order() -> None:
    batch = BatchFile((job("a", "x"), job("b", "y"), job("c", "x")))
    names = {account: [one.name for one in jobs] for account, jobs in batch.by_account.items()}
    assert names == {"x": ["a", "c"], "y": ["b"]}


def test_urgent_jobs_start_first_and_equal_ones_keep_their_order() -> None:
    batch = BatchFile((job("a"), job("b", priority=5), job("c"), job("d", priority=-1)))
    assert [one.name for one in batch.in_starting_order()] == ["b", "a", "c", "d"]


def test_a_job_is_known_by_account_and_name() -> None:
    assert job("a", "x").key == ("x", "a")
