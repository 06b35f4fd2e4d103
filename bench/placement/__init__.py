"""Placement against its rivals: which arm opens how many idle nodes, and how far from the bound."""
