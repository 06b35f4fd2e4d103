from pathlib import Path

import pytest

from nightshift.config.job_templates import read_job_template
from nightshift.errors import ConfigErrors
from nightshift.settings import CONFIG_DIR

POD = "template: {spec: {initContainers: [{name: clone}], containers: [{name: scan}], volumes: [{name: workspace}, {name: work}]}}"  # noqa: E501 - one line of flow YAML
HEAD = "apiVersion: batch/v1\nkind: Job\n"


def faults_of(path: Path, text: str) -> str:
    path.write_text(text)
    with pytest.raises(ConfigErrors) as caught:
        read_job_template(path)
    return str(caught.value)


def test_the_shipped_template_can_be_filled_in() -> None:
    assert read_job_template(CONFIG_DIR / "job-template.yaml")["kind"] == "Job"


def test_the_least_that_a_template_needs(tmp_path: Path) -> None:
    path = tmp_path / "t.yaml"
    path.write_text(f"{HEAD}spec: {{{POD}}}")
    assert read_job_template(path)["spec"]["template"]["spec"]["volumes"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("", "kind: expected one Kubernetes manifest of kind Job", id="empty"),
        pytest.param("kind: Pod", "kind: expected one", id="a pod"),
        pytest.param("kind: Job\napiVersion: v1", "apiVersion: expected batch/v1", id="version"),
        pytest.param(HEAD, "spec: expected an object", id="no spec"),
        pytest.param(f"{HEAD}spec: {{template: []}}", "spec.template: expected an", id="a list"),
        pytest.param(
            f"{HEAD}spec: {{{POD.replace('clone', 'fetch')}}}",
            "spec.template.spec.initContainers: expected one item named clone",
            id="another name",
        ),
        pytest.param(
            f"{HEAD}spec: {{{POD.replace('{name: scan}', '{name: scan}, {name: scan}')}}}",
            "spec.template.spec.containers: expected one item named scan",
            id="a name twice",
        ),
        pytest.param(
            f"{HEAD}metadata: {{labels: [a]}}\nspec: {{{POD}}}",
            "metadata.labels: expected an object",
            id="labels as a list",
        ),
        pytest.param(
            f"{HEAD}spec: {{{POD.replace('volumes', 'affinity: 1, volumes')}}}",
            "spec.template.spec.affinity: expected an object",
            id="a number as affinity",
        ),
        pytest.param(
            f"{HEAD}spec: {{{POD.replace('{name: work}', '{name: work, secret: x}')}}}",
            "spec.template.spec.volumes[1].secret: expected an object",
            id="a word as secret",
        ),
        pytest.param(
            f"{HEAD}spec: {{{POD.replace('[{name: scan}]', '{name: scan}')}}}",
            "spec.template.spec.containers: expected a list of objects",
            id="no list",
        ),
    ],
)
def test_a_template_that_lacks_what_is_filled_in(tmp_path: Path, text: str, said: str) -> None:
    assert f"t.yaml: {said}" in faults_of(tmp_path / "t.yaml", text)


def test_all_that_is_missing_is_reported_at_once(tmp_path: Path) -> None:
    text = faults_of(tmp_path / "t.yaml", f"{HEAD}spec: {{template: {{spec: {{volumes: []}}}}}}")
    assert text.count("expected") == 4
