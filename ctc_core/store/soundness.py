"""Whether the DuckDB file is whole, seen before DuckDB opens it.

DuckDB keeps a sum in front of every block but looks at it only when it needs the block: a flipped bit in an index or in
an old table would come up in the middle of somebody's work, and again after every restart. So all sums are looked at
first. Layout of storage version 999 (DuckDB 2.0): three headers of 4096 bytes, then blocks of 262,144. The second and
third header are (sum, iteration, meta block, free list, number of blocks, block size ...), the newer one counts. Each
header and block begins with its sum: 5381 XOR all its other 8-byte words, each times 0xbf58476d1ce4e5b9.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

_VERSION = 999
"""Storage version whose layout is known; files of other versions are left to DuckDB."""
_HEADER, _BLOCK = 4096, 262_144


def damage(path: Path) -> str | None:
    """What is wrong with a DuckDB file; None if nothing is. No store of this process may have the file attached."""
    with path.open("rb") as file:
        main = file.read(_HEADER)
        if main[8:12] != b"DUCK" or int.from_bytes(main[12:20], "little") != _VERSION:
            return None
        headers = [_words(main), _words(file.read(_HEADER)), _words(file.read(_HEADER))]
        if not all(map(_fits, headers)):
            return "a header was changed"
        newer = max(headers[1:], key=lambda words: int(words[1]))
        return _damaged_block(file, expected=int(newer[4]))


def _damaged_block(file: BinaryIO, expected: int) -> str | None:
    found = 0
    while len(block := file.read(_BLOCK)) == _BLOCK:
        if not _fits(_words(block)):
            return f"block {found} was changed"
        found += 1
    return f"only {found} of {expected} blocks are there" if found < expected else None


def _words(block: bytes) -> NDArray[np.uint64]:
    return np.frombuffer(block[: len(block) // 8 * 8], "<u8")


def _fits(words: NDArray[np.uint64]) -> bool:
    if len(words) < 2:
        return False
    products = words[1:] * np.uint64(0xBF58476D1CE4E5B9)  # wraps round: arithmetic modulo 2^64
    return bool((np.bitwise_xor.reduce(products) ^ np.uint64(5381)) == words[0])
