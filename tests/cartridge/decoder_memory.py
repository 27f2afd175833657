"""How much memory the reading process needs for an archive: `python -m tests.cartridge.decoder_memory FOLDER_OR_ZIP`.

Prints JSON: frames read, and for the whole archive the most that the process had in use (`rss_mb`) and had asked for
(`address_space_mb`, what its limit counts) beyond what it had before it opened anything.
"""

from __future__ import annotations

import json
import sys
import tempfile
from contextlib import closing
from pathlib import Path

from ctc_core.cartridge.guarded import FrameReader, Limits
from ctc_core.errors import FrameError


def measured(path: Path) -> dict[str, float]:
    """Read every frame of an archive once."""
    limits, unfit = Limits(seconds=120), 0
    with tempfile.TemporaryDirectory() as scratch, closing(FrameReader(limits)) as reader:
        reader._start()
        before = _status(reader)
        cartridge = reader.open(path, Path(scratch))
        opened = _status(reader)
        for number in cartridge.frame_numbers:
            try:
                cartridge.read(number)
            except FrameError:
                unfit += 1
        assert reader.lost == 0  # the process that was looked at before is the one that is looked at now
        after = _status(reader)
    return {
        "frames": len(cartridge.frame_numbers),
        "unfit": unfit,
        "before_mb": _mb(before["VmRSS"]),
        "opened_rss_mb": _mb(opened["VmHWM"] - before["VmRSS"]),
        "rss_mb": _mb(after["VmHWM"] - before["VmRSS"]),
        "address_space_mb": _mb(after["VmPeak"] - before["VmSize"]),
        "limit_mb": _mb(limits.memory // 1024),
    }


def _status(reader: FrameReader) -> dict[str, int]:
    """KiB by name."""
    assert reader._process is not None
    lines = Path(f"/proc/{reader._process.pid}/status").read_text().splitlines()
    return {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines) if name[:2] == "Vm"}


def _mb(kib: int) -> float:
    return round(kib * 1024 / 1e6, 1)


if __name__ == "__main__":
    print(json.dumps(measured(Path(sys.argv[1]))))
