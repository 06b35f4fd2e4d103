"""The page that lists the suite's cases: ``python -m tests.contract.catalogue`` prints it.

It is read from the modules themselves: their docstrings, the names of their tests, and the ids of
their parameters. Nothing here asks which cluster is tested, so neither can the list depend on it.
"""

import importlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import pytest

FOLDER = Path(__file__).parent
_LONGEST_ID = 60

_HEAD = """\
# The contract with Kubernetes

Generated from the suite by `make docs`; do not edit.

What Nightshift relies on in a cluster, as cases of `tests/contract`. Every case is written once and
sees nothing but the API. It runs on the embedded cluster with `make test`, and as it is on any
cluster of yours:

    NIGHTSHIFT_CONTRACT_KUBECONFIG=~/.kube/config .venv/bin/python -m pytest -n 1 tests/contract

`NIGHTSHIFT_CONTRACT_IMAGE` names the image for its pods (`python:3.13-slim` by default; any with
`sh` and `python3`). The user must be cluster-admin and two nodes free: some cases cordon, taint and
label nodes, and take that back. Cases with a K are named by the checklist of what
KubernetesPodOperator sends. The list is the same on every cluster: no case is left out on any.
The API server's etcd must be 3.5 or later: with an older one it cannot tell a watch how far it is.
"""


@dataclass(frozen=True, slots=True)
class Case:
    """A test, and the ids of its variants ("" for a test without parameters)."""

    name: str
    variants: tuple[str, ...]

    @property
    def title(self) -> str:
        """What it shows, in words."""
        words = self.name.removeprefix("test_").split("_")
        if words[0][:1] == "k" and words[0][1:].isdigit():
            words[0] = f"K{int(words[0][1:])}:"
        return " ".join(words)


def list_modules() -> list[ModuleType]:
    """Import the suite's modules, in the order of their paths."""
    root = FOLDER.parents[1]
    files = sorted(FOLDER.rglob("test_*.py"))
    return [
        importlib.import_module(".".join(file.relative_to(root).with_suffix("").parts))
        for file in files
    ]


def list_cases(module: ModuleType) -> Iterator[Case]:
    """List a module's tests as they are written."""
    for name, function in vars(module).items():
        if name.startswith("test_") and isinstance(function, FunctionType):
            yield Case(name, tuple(_variants(function)))


def build_page() -> str:
    """Write the page as Markdown."""
    modules = [(module, list(list_cases(module))) for module in list_modules()]
    cases = [case for _, listed in modules for case in listed]
    runs = sum(max(1, len(case.variants)) for case in cases)
    lines = [_HEAD, f"{len(cases)} cases, {runs} with their variants.", ""]
    for module, listed in modules:
        title, _, what = (module.__doc__ or "").strip().partition("\n")
        lines += [f"## {title}", "", " ".join(what.split()), ""]
        lines += [f"`{_place(module)}`", "", "| case | variants |", "| --- | --- |"]
        lines += [f"| {case.title} | {_cell(case.variants)} |" for case in listed]
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _variants(function: FunctionType) -> Iterator[str]:
    for mark in getattr(function, "pytestmark", ()):
        if mark.name == "parametrize":
            yield from _ids(mark)


def _ids(mark: pytest.Mark) -> Iterator[str]:
    given = mark.kwargs.get("ids")
    for index, value in enumerate(mark.args[1]):
        if callable(given):
            yield str(given(value))
        else:
            yield str(given[index]) if given else _shown(value)


def _shown(value: Any) -> str:
    text = str(value[0] if isinstance(value, tuple) else value)
    return text if len(text) <= _LONGEST_ID else f"{text[:_LONGEST_ID]}.."


def _cell(variants: tuple[str, ...]) -> str:
    return "; ".join(f"`{one}`" for one in variants).replace("|", "\\|")


def _place(module: ModuleType) -> str:
    return f"{module.__name__.replace('.', '/')}.py"


if __name__ == "__main__":
    sys.stdout.write(build_page())
