"""Git objects written byte by byte, because git itself refuses to make what we must survive."""

import hashlib
import zlib
from pathlib import Path

from nightshift.domain.ids import CommitSha

Entry = tuple[str, bytes, str]
"""(mode, name, object id) of a tree, in the order that it is written."""


class RawRepository:
    """A bare repository made without git: nothing checks what goes in."""

    def __init__(self, path: Path, *, sha256: bool = False) -> None:
        self.path = path
        self._hash = hashlib.sha256 if sha256 else hashlib.sha1
        for folder in ("objects/pack", "refs/heads", "refs/tags"):
            (path / folder).mkdir(parents=True)
        version = "\trepositoryformatversion = 1\n" if sha256 else ""
        extension = "[extensions]\n\tobjectformat = sha256\n" if sha256 else ""
        (path / "config").write_text(f"[core]\n{version}\tbare = true\n{extension}")
        (path / "HEAD").write_text("ref: refs/heads/main\n")

    @property
    def url(self) -> str:
        return self.path.as_uri()

    def blob(self, content: bytes) -> str:
        return self._write(b"blob", content)

    def tree(self, entries: list[Entry]) -> str:
        """Write a tree exactly as given: not sorted, not checked."""
        body = b"".join(
            mode.encode() + b" " + name + b"\0" + bytes.fromhex(object_id)
            for mode, name, object_id in entries
        )
        return self._write(b"tree", body)

    def files(self, files: dict[bytes, bytes]) -> str:
        """Write a tree of plain files, sorted as git sorts them."""
        return self.tree([("100644", name, self.blob(files[name])) for name in sorted(files)])

    def commit(self, tree: str, *, branch: str = "main") -> CommitSha:
        """Write a commit and let a branch point to it."""
        who = "Tester <tester@nightshift.example> 1767225600 +0000"
        text = f"tree {tree}\nauthor {who}\ncommitter {who}\n\nhostile\n"
        commit = self._write(b"commit", text.encode())
        (self.path / "refs/heads" / branch).write_text(f"{commit}\n")
        return CommitSha(commit)

    def tag(self, name: str, commit: str) -> None:
        """Write an annotated tag of a commit."""
        who = "Tester <tester@nightshift.example> 1767225600 +0000"
        text = f"object {commit}\ntype commit\ntag {name}\ntagger {who}\n\ntagged\n"
        (self.path / "refs/tags" / name).write_text(f"{self._write(b'tag', text.encode())}\n")

    def set_config(self, text: str) -> None:
        with (self.path / "config").open("a") as file:
            file.write(text)

    def _write(self, kind: bytes, body: bytes) -> str:
        data = kind + b" %d\0" % len(body) + body
        object_id = self._hash(data).hexdigest()
        path = self.path / "objects" / object_id[:2] / object_id[2:]
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(zlib.compress(data, 1))
        return object_id
