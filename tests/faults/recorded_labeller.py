"""A process that labels, and records what a power cut would leave of its files.

`python -m tests.faults.recorded_labeller DATA OUT STEPS`. Every `fsync` and `fdatasync` that Python code calls is
noted: of a file its content, of a folder its names. What was not synced may be gone after a cut. DuckDB syncs by
itself, out of sight; its files are taken at each acknowledgement, by when it must have done so. After each step the
process waits until the states were copied.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from ctc_core.store import Store
from ctc_core.types import Role
from tests.faults.outcome import decide
from tests.store.conftest import write_cartridge


class Recorder:
    """What of a folder is on the disk for certain."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.contents: dict[int, bytes] = {}
        """By inode: what was in the file when it was synced last."""
        self.names: dict[int, dict[str, int]] = {}
        """Of each folder, by inode: its names and their inodes when it was synced last."""
        os.fsync, os.fdatasync = self._recorded(os.fsync), self._recorded(os.fdatasync)

    def _recorded(self, sync: Callable[[int], None]) -> Callable[[int], None]:
        def note(descriptor: int) -> None:
            sync(descriptor)
            path = Path(f"/proc/self/fd/{descriptor}").readlink()
            inode = path.stat().st_ino
            if path.is_dir():
                self.names[inode] = {child.name: child.stat().st_ino for child in path.iterdir()}
            else:
                self.contents[inode] = path.read_bytes()

        return note

    def write(self, out: Path) -> None:
        """Lay down what would be left for certain."""
        self._write_folder(self.data.stat().st_ino, out)

    def _write_folder(self, folder: int, out: Path) -> None:
        out.mkdir(parents=True)
        for name, inode in self.names.get(folder, {}).items():
            if inode in self.contents:
                (out / name).write_bytes(self.contents[inode])
            elif inode in self.names:
                self._write_folder(inode, out / name)


def steps(data: Path, count: int) -> None:
    """Import a cartridge, then label one by one, in batches larger than a page, and over closing and opening again."""
    recorder = Recorder(data)
    store = Store.open(data)
    store.add_patient("P1", Role.TRAIN, "ann", "s1")
    store.add_bundle(write_cartridge(data / "jobs" / "bundle", "C1", cells=60))
    report(recorder)
    for step in range(count):
        ids = [f"s{step}-{i}" for i in range((1, 1, 40, 3)[step % 4])]
        if step % 10 == 9:
            store.close()
            report(recorder)
            store = Store.open(data)
            report(recorder)
        decide(store, ids, batch=len(ids))
        report(recorder, *ids)
    store.close()
    report(recorder)


def report(recorder: Recorder, *acknowledged: str) -> None:
    """Wait until the reader of our output has copied the folder."""
    recorder.write(Path(sys.argv[2]))
    print(*acknowledged, flush=True)
    sys.stdin.readline()
    shutil.rmtree(sys.argv[2])


if __name__ == "__main__":
    steps(Path(sys.argv[1]), int(sys.argv[3]))
