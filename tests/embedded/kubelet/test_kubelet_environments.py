"""Environment, command and working directory of a container."""

import base64
import os
from pathlib import Path
from typing import Any

import pytest

from nightshift.embedded.kube.interfaces import Object
from nightshift.embedded.kube.kubelet import Image
from tests.embedded.kubelet.bench import NAMESPACE, Bench, container, open_bench, pod, shell

SHOW = 'printf %s "$X"'


def _secret(name: str, **data: bytes) -> Object:
    encoded = {key: base64.b64encode(value).decode() for key, value in data.items()}
    return {"metadata": {"name": name, "namespace": NAMESPACE}, "data": encoded}


def _config(name: str, **data: str) -> Object:
    return {"metadata": {"name": name, "namespace": NAMESPACE}, "data": data}


def _from(**source: Any) -> list[Object]:
    return [{"name": "X", "valueFrom": source}]


def test_nothing_of_the_server_leaks(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTSHIFT_TEST_SECRET", "hidden")
    bench.finish(pod(shell("env | cut -d= -f1 | sort")))
    names = set(bench.log().split())
    allowed = {"HOME", "HOSTNAME", "OLDPWD", "PATH", "PWD", "SHLVL", "TMPDIR", "_"}
    assert {"HOME", "HOSTNAME", "PATH"} <= names <= allowed


def test_home_is_empty_and_writable(bench: Bench) -> None:
    bench.finish(pod(shell("cd && ls -A && touch mine && echo $HOSTNAME"), name="named"))
    assert bench.log("named") == "named\n"


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        pytest.param([{"name": "X", "value": "plain"}], "plain", id="a value"),
        pytest.param([{"name": "X"}], "", id="no value is empty"),
        pytest.param(
            [{"name": "A", "value": "1"}, {"name": "X", "value": "$(A)2$(B)$$(A)"}],
            "12$(B)$(A)",
            id="references to what came before",
        ),
        pytest.param(
            [{"name": "X", "value": "first"}, {"name": "X", "value": "second"}],
            "second",
            id="the later one wins",
        ),
        pytest.param(_from(fieldRef={"fieldPath": "metadata.name"}), "p", id="its name"),
        pytest.param(
            _from(fieldRef={"fieldPath": "metadata.namespace"}), NAMESPACE, id="namespace"
        ),
        pytest.param(_from(fieldRef={"fieldPath": "spec.nodeName"}), "n1", id="node"),
        pytest.param(_from(fieldRef={"fieldPath": "status.podIP"}), "127.0.0.1", id="address"),
        pytest.param(
            _from(fieldRef={"fieldPath": "metadata.annotations['team']"}), "blue", id="annotation"
        ),
        pytest.param(_from(fieldRef={"fieldPath": "metadata.labels['none']"}), "", id="no label"),
        pytest.param(
            _from(resourceFieldRef={"resource": "limits.memory", "divisor": "1Mi"}),
            "64",
            id="a limit in Mi",
        ),
        pytest.param(_from(resourceFieldRef={"resource": "limits.cpu"}), "2", id="CPU, rounded up"),
        pytest.param(_from(secretKeyRef={"name": "s", "key": "token"}), "s3cret", id="of a secret"),
        pytest.param(
            _from(configMapKeyRef={"name": "c", "key": "mode"}), "fast", id="of a config map"
        ),
        pytest.param(
            _from(secretKeyRef={"name": "none", "key": "k", "optional": True}),
            "",
            id="an optional secret that is not there",
        ),
        pytest.param(
            _from(configMapKeyRef={"name": "c", "key": "none", "optional": True}),
            "",
            id="an optional key that is not there",
        ),
    ],
)
def test_sources_of_a_variable(rewriting_bench: Bench, env: list[Object], expected: str) -> None:
    bench = rewriting_bench
    bench.create(_secret("s", token=b"s3cret"), "secrets")
    bench.create(_config("c", mode="fast"), "configmaps")
    limits = {"limits": {"memory": "64Mi", "cpu": "1500m"}}
    bench.finish(pod(shell(SHOW, env=env, resources=limits), annotations={"team": "blue"}))
    assert bench.log() == expected


def test_whole_secrets_and_config_maps(rewriting_bench: Bench) -> None:
    bench = rewriting_bench
    bench.create(_secret("s", TOKEN=b"t"), "secrets")
    bench.create(_config("c", MODE="m", OWN="theirs"), "configmaps")
    sources = [
        {"prefix": "S_", "secretRef": {"name": "s"}},
        {"configMapRef": {"name": "c"}},
        {"configMapRef": {"name": "none", "optional": True}},
    ]
    env = [{"name": "OWN", "value": "ours"}]
    bench.finish(pod(shell('echo "$S_TOKEN $MODE $OWN"', envFrom=sources, env=env)))
    assert bench.log() == "t m ours\n"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        pytest.param(
            {"env": _from(secretKeyRef={"name": "s", "key": "token"})},
            'secret "s" not found',
            id="secret",
        ),
        pytest.param(
            {"envFrom": [{"configMapRef": {"name": "c"}}]},
            'configmap "c" not found',
            id="config map",
        ),
        pytest.param(
            {"env": _from(secretKeyRef={"name": "other", "key": "token"})},
            f"couldn't find key token in Secret {NAMESPACE}/other",
            id="key",
        ),
    ],
)
def test_what_is_missing_is_named_and_looked_for_again(
    rewriting_bench: Bench, fields: Object, message: str
) -> None:
    bench = rewriting_bench
    bench.create(_secret("other", unrelated=b"x"), "secrets")
    bench.create(pod(container("true", **fields)))
    bench.until(lambda: bench.state().get("waiting", {}).get("message") == message)
    assert bench.state()["waiting"]["reason"] == "CreateContainerConfigError"
    assert ("Failed", f"Error: {message}") in bench.events()
    bench.create(_secret("s", token=b"x"), "secrets")
    bench.create(_config("c", a="b"), "configmaps")
    bench.store.mutate("secrets", "other", NAMESPACE, lambda o: o["data"].update(token="eA=="))
    bench.until_phase("Succeeded")


def test_command_and_args_take_references_and_no_shell(bench: Bench) -> None:
    env = [{"name": "WHO", "value": "a b; touch /x"}]
    args = ["%s|", "$(WHO)", "$(NONE)", "$$(WHO)", "*"]
    bench.finish(pod(container("printf", args=args, env=env)))
    assert bench.log() == "a b; touch /x|$(NONE)|$(WHO)|*|"


def test_an_image_brings_programs_environment_and_command(tmp_path: Path) -> None:
    programs = tmp_path / "venv" / "bin"
    programs.mkdir(parents=True)
    tool = programs / "tool"
    tool.write_text('#!/bin/sh\necho "$0 $MODE $1 $2"\n')
    tool.chmod(0o755)
    image = Image((programs,), {"MODE": "image"}, entrypoint=("tool",), arguments=("default",))
    bare = {"name": "base", "image": "tool:1"}
    with open_bench(tmp_path, images={"tool:1": image}) as bench:
        bench.finish(pod(bare, name="own"))
        bench.finish(pod({**bare, "args": ["given"]}, name="args"))
        bench.finish(pod({**bare, "command": ["tool", "x"]}, name="command"))
        bench.finish(pod({**bare, "env": [{"name": "MODE", "value": "pod"}]}, name="env"))
        foreign = bench.finish(pod({**bare, "command": ["ls"]}, name="foreign"))
        logs = [bench.log(name) for name in ("own", "args", "command", "env")]
    path = os.fspath(tool)
    assert logs == [
        f"{path} image default \n",
        f"{path} image given \n",
        f"{path} image x \n",
        f"{path} pod default \n",
    ]
    assert foreign["reason"] == "StartError", "an image that is not the host's has only its own"


def test_the_working_directory(bench: Bench) -> None:
    bench.finish(pod(container("pwd", workingDir="/usr")))
    assert bench.log() == "/usr\n"
