"""Which language a file is in, told from its name and, failing that, its first line.

Scanners say which languages they read (``scanner.yaml``), so these names are part of the
configuration. A scan without a file of its languages is not applicable; a wrong "" here would
hide files from that decision, so doubtful names get the language they most likely have.
"""

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

_SUFFIXES = {
    "c": "c h",
    "cpp": "cc cpp cxx c++ hh hpp hxx h++ ipp tpp inl",
    "csharp": "cs csx",
    "css": "css less sass scss",
    "dart": "dart",
    "dockerfile": "dockerfile containerfile",
    "elixir": "ex exs",
    "erlang": "erl hrl",
    "go": "go",
    "groovy": "groovy gradle",
    "haskell": "hs lhs",
    "html": "html htm xhtml jinja jinja2 j2 mako erb ejs vue svelte",
    "java": "java jsp",
    "javascript": "js cjs mjs jsx",
    "json": "json json5 jsonc geojson ipynb",
    "kotlin": "kt kts",
    "lua": "lua",
    "make": "mk",
    "markdown": "md markdown rst",
    "objective-c": "m mm",
    "perl": "pl pm",
    "php": "php php5 php7 phtml",
    "powershell": "ps1 psm1 psd1",
    "protobuf": "proto",
    "python": "py pyi pyw pyx pxd pxi",
    "r": "r",
    "ruby": "rb rake gemspec",
    "rust": "rs",
    "scala": "scala sc",
    "shell": "sh bash zsh ksh dash bats",
    "solidity": "sol",
    "sql": "sql",
    "swift": "swift",
    "terraform": "tf tfvars hcl",
    "toml": "toml",
    "typescript": "ts cts mts tsx",
    "xml": "xml xsd xsl xslt svg pom",
    "yaml": "yaml yml",
}
_BY_SUFFIX: Mapping[str, str] = MappingProxyType({
    suffix: language for language, suffixes in _SUFFIXES.items() for suffix in suffixes.split()
})
_BY_NAME: Mapping[str, str] = MappingProxyType({
    "containerfile": "dockerfile", "dockerfile": "dockerfile", "gemfile": "ruby",
    "gnumakefile": "make", "jenkinsfile": "groovy", "makefile": "make", "rakefile": "ruby",
    "sconstruct": "python", "vagrantfile": "ruby", ".bashrc": "shell", ".profile": "shell",
})  # fmt: skip
_INTERPRETERS = (
    (re.compile(r"(ba|da|k|z|a)?sh"), "shell"),
    (re.compile(r"(python|pypy)[0-9.]*"), "python"),
    (re.compile(r"node(js)?|bun|deno"), "javascript"),
    (re.compile(r"ruby[0-9.]*"), "ruby"),
    (re.compile(r"perl[0-9.]*"), "perl"),
    (re.compile(r"php[0-9.]*"), "php"),
)
_ACTION = re.compile(r"(.*/)?(\.github/workflows/[^/]+|action)\.ya?ml")
_SHEBANG = re.compile(rb"#!\s*(\S+)(?:[ \t]+(.*))?")

LANGUAGES = frozenset({*_SUFFIXES, *_BY_NAME.values(), "github-actions"})
"""Every name that ``language_of`` can give, "" excepted."""


def language_of(path: str, head: bytes = b"") -> str:
    """Tell a file's language, "" if none is known.

    A GitHub workflow is "github-actions", not "yaml"; a Dockerfile with any ending is one.

    >>> language_of("src/app.PY"), language_of(".github/workflows/ci.yml"), language_of("notes")
    ('python', 'github-actions', '')

    :param path: below the repository's root, with ``/``.
    :param head: the file's first bytes; only a ``#!`` line in them is looked at.
    """
    lowered = path.lower()
    name = lowered.rpartition("/")[2]
    if _ACTION.fullmatch(lowered):
        return "github-actions"
    if name in _BY_NAME:
        return _BY_NAME[name]
    if name.startswith(("dockerfile.", "containerfile.")):
        return "dockerfile"
    suffix = name.rpartition(".")[2] if "." in name else ""
    return _BY_SUFFIX.get(suffix) or _interpreter_language(head)


def count_languages(languages: Iterable[str]) -> dict[str, int]:
    """Count files by language, most first, "" left out; equal counts by name."""
    counts: dict[str, int] = {}
    for language in languages:
        if language:
            counts[language] = counts.get(language, 0) + 1
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _interpreter_language(head: bytes) -> str:
    match = _SHEBANG.match(head[:256].split(b"\n", 1)[0])
    if match is None:
        return ""
    words = [match[1], *(match[2] or b"").split()]
    if words[0].endswith(b"/env"):
        words = [w for w in words[1:] if not w.startswith(b"-") and b"=" not in w]
    if not words:
        return ""
    program = words[0].rpartition(b"/")[2].decode("ascii", "replace")
    return next((lang for pattern, lang in _INTERPRETERS if pattern.fullmatch(program)), "")
