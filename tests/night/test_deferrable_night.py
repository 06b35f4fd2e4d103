"""A night whose pods are waited for by the triggerer instead of by worker processes."""

import pytest

from tests.night.conftest import running_stack
from tests.night.test_night import check_night

pytestmark = [pytest.mark.more_nights, pytest.mark.timeout(420)]


def test_a_deferrable_night_ends_like_any_other(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("deferrable")
    with running_stack(folder, NIGHTSHIFT_DEFERRABLE="true") as stack:
        run = stack.trigger()
        assert stack.wait(run) == "success"
        check_night(stack, run)
        shards = [shard for shard in stack.summary(run).shards if shard.kind == "scan"]
        assert all(shard.node == shard.planned_node for shard in shards)
        logs = stack.layout.airflow_home / "logs"
        waited = {path.parent for path in logs.rglob("task_id=scan/**/*.trigger.*.log")}
        assert len(waited) == len(shards), "every scan pod was waited for by the triggerer"
