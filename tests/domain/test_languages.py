"""Telling a file's language from its name and its first line."""

import pytest

from nightshift.domain.languages import LANGUAGES, count_languages, language_of


@pytest.mark.parametrize(
    ("path", "head", "language"),
    [
        ("a.py", b"", "python"),
        ("A.PYI", b"", "python"),
        ("a.h", b"", "c"),
        ("a.hpp", b"", "cpp"),
        ("a.tsx", b"", "typescript"),
        ("Dockerfile", b"", "dockerfile"),
        ("docker/Dockerfile.dev", b"", "dockerfile"),
        ("web.dockerfile", b"", "dockerfile"),
        ("Containerfile", b"", "dockerfile"),
        (".github/workflows/ci.yml", b"", "github-actions"),
        ("sub/.github/workflows/ci.yaml", b"", "github-actions"),
        ("action.yml", b"", "github-actions"),
        (".github/dependabot.yml", b"", "yaml"),
        (".github/workflows/deep/x.yml", b"", "yaml"),
        ("Makefile", b"", "make"),
        ("rules.mk", b"", "make"),
        ("bin/run", b"#!/bin/sh -e\nid\n", "shell"),
        ("bin/run", b"#!/usr/bin/env python3\n", "python"),
        ("bin/run", b"#!/usr/bin/env -S FOO=1 node --x\n", "javascript"),
        ("bin/run", b"#! /usr/local/bin/ruby\n", "ruby"),
        ("bin/run", b"#!/usr/bin/env\n", ""),
        ("bin/run", b"#!\n", ""),
        ("bin/run", b"#!\xff\xfe\n", ""),
        ("bin/run", b"\n#!/bin/sh\n", ""),
        ("a.py", b"#!/bin/sh\n", "python"),
        ("notes.unknown", b"#!/bin/bash", "shell"),
        ("notes", b"text", ""),
        ("python", b"", ""),
        (".py", b"", "python"),
    ],
)
def test_language_is_told(path: str, head: bytes, language: str) -> None:
    assert language_of(path, head) == language
    assert language in LANGUAGES | {""}


def test_count_is_by_number_then_name_and_passes_over_unknown_files() -> None:
    counted = count_languages(["shell", "python", "", "c", "python"])
    assert list(counted.items()) == [("python", 2), ("c", 1), ("shell", 1)]
