"""Counts as people write them."""


def counted(count: int, noun: str, plural: str = "") -> str:
    """Write a count with its noun.

    >>> counted(1, "node"), counted(0, "node"), counted(2, "policy", "policies")
    ('1 node', '0 nodes', '2 policies')
    """
    return f"{count} {noun if count == 1 else plural or noun + 's'}"
