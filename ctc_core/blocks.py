"""What a worker of a cluster computes: some frames of one archive, each into its part on a disk that all machines see.

A worker keeps its networks, and the archive it read last open, from one block to the next.
"""

from __future__ import annotations

import functools
import socket
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ctc_core.arithmetic import Arithmetic, differences
from ctc_core.errors import CTCError, ModelError, SettingsError
from ctc_core.settings import Runtime, Settings

if TYPE_CHECKING:
    from ctc_core.cartridge.guarded import FrameReader, GuardedCartridge
    from ctc_core.networks import Networks


@dataclass(frozen=True)
class Named:
    """Which networks."""

    segmenter: str
    encoder: str
    runtime: Runtime
    models: Path
    """Data folder that has what networks do not ship with the desk; the same on all machines."""


@dataclass(frozen=True)
class Work:
    """One archive. Its paths are the same on all machines."""

    archive: Path
    """Folder, unpacked."""
    parts: Path
    inputs: str
    """What the parts are made of (`parts.inputs_of`): the worker's archive and networks must be the same."""
    networks: Named
    code: str
    """`store.code_version` of whoever gives the work."""
    made_with: Arithmetic
    """What all workers computed with when the work was given."""


def say_arithmetic(named: Named) -> Arithmetic:
    """What this worker computes with."""
    return _networks(named).arithmetic


def compute_block(work: Work, numbers: Sequence[int]) -> int | CTCError:
    """Compute what is missing of some frames; how many of them overwhelmed what reads them.

    Errors of ours are returned: computing again would not mend them. Others are raised, and may not come again.
    """
    try:
        return _compute(work, numbers)
    except CTCError as error:
        return error


def _compute(work: Work, numbers: Sequence[int]) -> int:
    from ctc_core.frames import Here
    from ctc_core.parts import Parts

    _check_worker(work)
    networks = _networks(work.networks)
    parts, cartridge, reader = Parts(work.parts), _opened(work.archive, work.inputs), _reader()
    _check_inputs(work, cartridge, networks)
    lost = reader.lost
    missing = sorted(set(numbers) - parts.finished())
    here = Here(networks.segmenter, networks.embedder, networks.lanes)
    with closing(here.frames(cartridge, parts, missing)) as counts:
        while not parts.stopped() and next(counts, None):
            pass
    return reader.lost - lost


@functools.lru_cache(maxsize=1)
def _networks(named: Named) -> Networks:
    from ctc_core.networks import Networks

    names = {"segmenter": named.segmenter, "encoder": named.encoder, "runtime": named.runtime}
    return Networks(Settings().model_copy(update={**names, "data_dir": named.models}))


@functools.cache
def _reader() -> FrameReader:
    from ctc_core.cartridge.guarded import FrameReader

    return FrameReader()


@functools.lru_cache(maxsize=1)
def _opened(archive: Path, _inputs: str) -> GuardedCartridge:
    """The archive. What parts are made of changes with its files, and then it is opened again."""
    return _reader().open(archive, archive)


# ---- is this worker fit for it? --------------------------------------------------------------------------------------


def _check_worker(work: Work) -> None:
    from distributed import get_worker

    from ctc_core.store import code_version

    for path in (work.archive, work.parts):
        if not path.exists():
            message = (
                f"{_me()} does not see {path}. Mount the shared disk there under the same path, or stop this worker."
            )
            raise SettingsError(message)
    if (blocks := get_worker().state.nthreads) != 1:
        message = f"{_me()} computes {blocks} blocks at a time, each on all cores. Start it with --nthreads 1."
        raise SettingsError(message)
    if (code := code_version()) != work.code:
        message = (
            f"{_me()} runs other code ({code}) than the desk ({work.code}). Install the same release on all machines "
            "and start the worker again."
        )
        raise SettingsError(message)
    if how := differences(say_arithmetic(work.networks), work.made_with):
        message = (
            f"{_me()} does not compute as the others did when this began: {how}. Cells must not depend on who had a "
            "frame: stop this worker and try again; finished frames are kept."
        )
        raise SettingsError(message)


def _check_inputs(work: Work, cartridge: GuardedCartridge, networks: Networks) -> None:
    from ctc_core.parts import inputs_of

    mine = inputs_of(cartridge, networks.segmenter.id, networks.embedder.id, work.made_with)
    if mine != work.inputs:
        message = (
            f"{_me()} has other files of {cartridge.path} or other networks than the desk: {mine}, not {work.inputs}. "
            "All machines must see the same disk and have the same models."
        )
        raise ModelError(message)


def _me() -> str:
    from distributed import get_worker

    return f"The worker on {socket.gethostname()} ({get_worker().address})"
