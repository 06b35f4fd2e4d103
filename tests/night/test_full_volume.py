"""A night whose volume has too little room: what fits is scanned, the rest says why not."""

import json
import os
import random
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from nightshift.embedded.sample_history import File, write_repository
from tests.night.conftest import PLANTED, RunningStack, running_stack, wait_until
from tests.night.test_night import volumes

MIB = 1 << 20
ROOM, TOO_MUCH = 3 * MIB, 5 * MIB
pytestmark = [
    pytest.mark.more_nights,
    pytest.mark.timeout(300),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small file system"),
]


@contextmanager
def small_file_system(folder: Path, size: int) -> Iterator[None]:
    """Let ``folder`` hold no more than ``size`` bytes for the block."""
    folder.mkdir(parents=True, exist_ok=True)
    options = f"size={size},mode=0755"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_full_volume_costs_only_what_did_not_fit(tmp_path: Path) -> None:
    with running_stack(tmp_path) as stack:
        _write_batch_with_a_large_repository(stack)
        with small_file_system(stack.layout.cluster / "volumes", ROOM):
            run = stack.trigger(batch_file="large.json")
            assert stack.wait(run) == "success"
            wait_until(lambda: volumes(stack) == [], 30)
        summary = stack.summary(run)
        assert summary.totals.outcomes == {"succeeded": {"ok": 2}, "not_run": {"volume_full": 1}}
        (left,) = [one for one in summary.not_scanned if one.reason == "volume_full"]
        assert left.repository == "large"
        assert "no room left" in left.message
        assert "NIGHTSHIFT_WORKSPACE_SIZE" in left.message
        assert summary.totals.new == 2 * PLANTED, "what fitted was scanned and read"

        assert stack.wait(stack.trigger(batch_file="large.json")) == "success"
        assert stack.rows("SELECT count(*) FROM findings WHERE state = 'open'")[0][0] == (
            3 * PLANTED
        ), "with room, the next night catches up and doubles nothing"


def _write_batch_with_a_large_repository(stack: RunningStack) -> None:
    """Put one repository that does not fit between two that do."""
    account = stack.layout.data / "repositories" / "account-0"
    noise = random.Random(7)
    files = {
        f"part-{number}.bin": File(noise.randbytes(MIB // 2))
        for number in range(2 * TOO_MUCH // MIB)
    }
    files["seconds.txt"] = File(b"1\n")
    files["code.py"] = File(b"planted\n" * PLANTED)
    write_repository(account / "large.git", [files])
    asked = {"cpu": "100m", "memory": "256Mi", "scanners": ["sleeper"]}
    jobs = [
        {"name": name, "repository": (account / f"{path}.git").as_uri(), **asked}
        for name, path in (("first", "r0"), ("large", "large"), ("last", "r1"))
    ]
    folder = stack.layout.config / "batches"
    folder.mkdir()
    (folder / "large.json").write_text(json.dumps({"jobs": jobs}))
