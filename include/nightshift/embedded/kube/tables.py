"""Tables, as ``kubectl get`` asks for them: the server chooses the columns.

Source: pkg/printers/internalversion/printers.go; meta.k8s.io/v1 Table.
"""

import datetime as dt
from collections.abc import Sequence

from nightshift.embedded.kube.conversions import to_stored
from nightshift.embedded.kube.interfaces import Object
from nightshift.embedded.kube.resources import Resource
from nightshift.embedded.kube.responses import partial_metadata
from nightshift.embedded.kube.tables_cells import AGE, NAME, Cell, Column
from nightshift.embedded.kube.tables_core import CORE_COLUMNS
from nightshift.embedded.kube.tables_pods import POD_COLUMNS
from nightshift.embedded.kube.tables_workloads import WORKLOAD_COLUMNS

_COLUMNS: dict[str, tuple[Column, ...]] = {
    "pods": POD_COLUMNS,
    **CORE_COLUMNS,
    **WORKLOAD_COLUMNS,
}
_DEFAULT: tuple[Column, ...] = (
    NAME,
    Column("Created At", lambda obj, _: str(obj["metadata"]["creationTimestamp"])),
)


def render_table(
    resource: Resource, objects: Sequence[Object], now: dt.datetime, include: str = "Metadata"
) -> Object:
    """Build a Table of ``objects``.

    :param include: what each row carries besides its cells: ``None``, ``Metadata`` or ``Object``.
    """
    columns = _columns_of(resource)
    rows = []
    for obj in objects:
        stored = to_stored(resource, obj)
        rows.append(_row([column.read(stored, now) for column in columns], obj, include))
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {},
        "columnDefinitions": [_definition(column) for column in columns],
        "rows": rows,
    }


def _columns_of(resource: Resource) -> tuple[Column, ...]:
    if not resource.schemaless:
        return _COLUMNS.get(resource.stored_as, _DEFAULT)
    if not resource.columns:
        return NAME, AGE
    own = [
        Column(name, _path_reader(path, type_), type_, priority)
        for name, type_, path, priority in resource.columns
    ]
    return NAME, *own


def _path_reader(path: str, type_: str) -> Cell:
    parts = path.strip(".").split(".")

    def read(obj: Object, now: dt.datetime) -> object:
        value: object = obj
        for part in parts:
            value = value.get(part) if isinstance(value, dict) else None
        if type_ == "date" and isinstance(value, str):
            return AGE.read({"metadata": {"creationTimestamp": value}}, now)
        return value if isinstance(value, str | int | float | bool | None) else str(value)

    return read


def _definition(column: Column) -> Object:
    return {
        "name": column.name,
        "type": column.type,
        "format": "name" if column.name == "Name" else "",
        "description": column.name,
        "priority": column.priority,
    }


def _row(cells: list[object], obj: Object, include: str) -> Object:
    row: Object = {"cells": cells}
    if include == "Object":
        row["object"] = obj
    elif include != "None":
        row["object"] = partial_metadata(obj)
    return row
