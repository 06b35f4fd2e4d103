"""Argument vectors for git, and reading what it prints."""
