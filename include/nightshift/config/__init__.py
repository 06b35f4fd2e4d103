"""Reviewed files (repositories, scanners, batch files), checked against their JSON Schemas."""
