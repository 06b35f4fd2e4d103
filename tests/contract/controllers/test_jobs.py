"""Jobs

A Job's pods, its end, and what is left of it.
"""

from tests.contract.access import Api, Object, condition, wait_for
from tests.contract.objects import job


def ended(api: Api, name: str = "j") -> Object:
    """Wait until a Job has ended, and give it."""
    return api.wait(
        "jobs",
        name,
        lambda j: any(
            condition(j, kind).get("status") == "True" for kind in ("Complete", "Failed")
        ),
        "ended",
    )


def test_job_runs_its_pod_and_is_complete(api: Api) -> None:
    made = api.create("jobs", job(api))
    done = ended(api)
    assert condition(done, "Complete")["status"] == "True"
    assert done["status"]["succeeded"] == 1
    assert done["status"]["completionTime"]
    (pod,) = api.items("pods", labelSelector="job-name=j")
    assert pod["metadata"]["name"].startswith("j-")
    assert pod["metadata"]["labels"]["batch.kubernetes.io/job-name"] == "j"
    (owner,) = pod["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"]) == ("Job", made["metadata"]["uid"])
    assert owner["controller"] is True


def test_job_counts_its_completions(api: Api) -> None:
    api.create("jobs", job(api, completions=3, parallelism=2))
    assert ended(api)["status"]["succeeded"] == 3


def test_job_without_retries_fails_at_its_first_failure(api: Api) -> None:
    api.create("jobs", job(api, script="exit 3", backoffLimit=0))
    done = ended(api)
    told = condition(done, "Failed")
    assert told["reason"] == "BackoffLimitExceeded"
    assert told["message"] == "Job has reached the specified backoff limit"
    assert done["status"]["failed"] == 1
    assert len(api.items("pods")) == 1


def test_failed_pod_of_a_job_is_replaced(api: Api) -> None:
    api.create("jobs", job(api, script="exit 3", backoffLimit=1))
    assert ended(api)["status"]["failed"] == 2
    assert len(api.items("pods")) == 2


def test_deadline_fails_a_job_and_ends_its_pods(api: Api) -> None:
    api.create("jobs", job(api, script="sleep 600", activeDeadlineSeconds=1))
    assert condition(ended(api), "Failed")["reason"] == "DeadlineExceeded"
    wait_for(lambda: not api.items("pods"), "its pods to be gone")


def test_ended_job_goes_when_its_time_is_up(api: Api) -> None:
    api.create("jobs", job(api, ttlSecondsAfterFinished=1))
    api.wait_gone("jobs", "j")
    wait_for(lambda: not api.items("pods"), "its pods to be gone")


def test_deletion_in_the_background_takes_the_pods_along(api: Api) -> None:
    api.create("jobs", job(api, script="sleep 600"))
    wait_for(lambda: api.items("pods"), "the Job's pod")
    api.delete("jobs", "j", {"propagationPolicy": "Background"})
    api.wait_gone("jobs", "j")
    wait_for(lambda: not api.items("pods"), "its pods to be gone")


def test_orphaned_pods_stay(api: Api) -> None:
    api.create("jobs", job(api, script="sleep 600"))
    # Running, and not only there: the collector orphans the pods that it has heard of.
    running = "the Job's pod to run"
    wait_for(lambda: [p for p in api.items("pods") if p["status"]["phase"] == "Running"], running)
    api.delete("jobs", "j", {"propagationPolicy": "Orphan"})
    api.wait_gone("jobs", "j")
    (pod,) = api.items("pods")
    assert "deletionTimestamp" not in pod["metadata"]
    assert not pod["metadata"].get("ownerReferences")


def test_suspended_job_has_no_pods_until_it_is_resumed(api: Api) -> None:
    api.create("jobs", job(api, suspend=True))
    held = api.wait("jobs", "j", lambda j: condition(j, "Suspended"), "suspended")
    assert condition(held, "Suspended")["status"] == "True"
    assert not api.items("pods")
    api.patch("jobs", "j", body={"spec": {"suspend": False}})
    assert condition(ended(api), "Complete")["status"] == "True"


def test_template_of_a_job_is_fixed(api: Api) -> None:
    api.create("jobs", job(api, script="sleep 600"))
    body = {"spec": {"template": {"spec": {"containers": [{"name": "base", "image": "other:1"}]}}}}
    status = api.refused(422, "PATCH", api.path("jobs", "j"), body, patch="strategic")
    assert "field is immutable" in status["message"]


def test_job_whose_pods_always_restart_is_422(api: Api) -> None:
    body = job(api)
    body["spec"]["template"]["spec"]["restartPolicy"] = "Always"
    status = api.refused(422, "POST", api.path("jobs"), body)
    fields = {cause["field"] for cause in status["details"]["causes"]}
    assert fields == {"spec.template.spec.restartPolicy"}
