"""Which rules a scanner has, and which version of it is known to have which."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert

from nightshift.domain.sarif_values import SarifRule
from nightshift.store.models import Rule, ScannerRule
from nightshift.store.records import OpenScan


class Rules(NamedTuple):
    """The numbers of rules, and those that this version of the scanner is known to have."""

    ids: dict[str, int]
    known: frozenset[str]


def sync_rules(connection: Connection, scan: OpenScan, rules: Mapping[str, SarifRule]) -> Rules:
    """Store the rules that are new, and note that this version of the scanner has them."""
    has_rule = (ScannerRule.rule_id == Rule.id) & (ScannerRule.scanner_id == scan.scanner_id)
    rows = connection.execute(
        select(Rule.rule, Rule.id, ScannerRule.rule_id.is_not(None).label("noted"))
        .join(ScannerRule, has_rule, isouter=True)
        .where(Rule.scanner == scan.scanner)
    ).all()
    ids = {row.rule: row.id for row in rows}
    noted = {row.rule for row in rows if row.noted}
    if unnoted := sorted(set(rules) - noted):
        ids |= _upsert_rules(connection, scan, [rules[rule] for rule in unnoted])
        connection.execute(
            insert(ScannerRule).on_conflict_do_nothing(),
            [{"scanner_id": scan.scanner_id, "rule_id": ids[rule]} for rule in unnoted],
        )
    return Rules(ids, frozenset({*noted, *unnoted}))


def _upsert_rules(
    connection: Connection, scan: OpenScan, rules: Sequence[SarifRule]
) -> dict[str, int]:
    """Store rules as their newest version describes them, in order, so no writers deadlock."""
    statement = insert(Rule)
    told = {name: statement.excluded[name] for name in ("title", "cwe", "level", "help_uri")}
    rows = connection.execute(
        statement.on_conflict_do_update(index_elements=["scanner", "rule"], set_=told).returning(
            Rule.rule, Rule.id
        ),
        [
            {
                "scanner": scan.scanner,
                "rule": rule.id,
                "title": rule.title,
                "cwe": list(rule.cwe),
                "level": rule.level.value,
                "help_uri": rule.help_uri,
            }
            for rule in rules
        ],
    )
    return {row.rule: row.id for row in rows}
