"""Which code made an artefact."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

import ctc_core


@functools.cache
def code_version() -> str:
    """First 12 hex digits of the SHA-256 over the package's sources: true without git and after local changes."""
    root = Path(ctc_core.__file__).parent
    digest = hashlib.sha256()
    for path in sorted([*root.rglob("*.py"), *root.rglob("*.sql")]):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]
