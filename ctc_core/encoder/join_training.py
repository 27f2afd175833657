"""Fitting a join: `join_encoder(start, out)` adds one to an encoder's weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

from ctc_core.encoder import data
from ctc_core.encoder.embedder import Embedder
from ctc_core.encoder.join import RIDGE, Join, explained, joined
from ctc_core.encoder.plan import Plan
from ctc_core.encoder.targets import Targets
from ctc_core.errors import ModelError
from ctc_core.models import load_config, write_config
from ctc_core.settings import Runtime
from ctc_core.types import EMBEDDING_DIM, Progress, silent

WEIGHTS = "weights.safetensors"
WHITEN = Plan(iterations=0).whiten


def join_encoder(
    name_or_path: str,
    out: Path,
    *,
    objects: int,
    seed: int,
    threads: int = 0,
    runtime: Runtime = Runtime.EXACT,
    progress: Progress = silent,
) -> Path:
    """Write the encoder with a join of its own into `out`: weights and config.json. Returns `out`.

    objects: simulated training objects, each in two photographs, in chunks of 1024; the last of two or more chunks
    only tells how much of the description is said (`explained` in config.json), then it is fitted to as well.
    seed: of patients and photographs; another than those of the encoder's training.

    Raises:
        ModelError: no such encoder, one that has a join, or less than two chunks.
    """
    embedder = Embedder.load(name_or_path, threads=threads, runtime=runtime)
    config = load_config(embedder.folder)
    chunks = objects // data.CHUNK
    if "join" in config or chunks < 2:
        reason = f"{objects} objects, at least {2 * data.CHUNK} are needed" if chunks < 2 else "it has a join already"
        message = f"{embedder.folder}: {reason}. Give an encoder of `encoder train` and enough objects."
        raise ModelError(message)
    known, wanted = _examples(embedder, chunks, seed, progress)
    join, share = Join.fit(known, wanted), _explained(known, wanted)
    about = {"objects": chunks * data.CHUNK, "seed": seed, "ridge": RIDGE, "whiten": WHITEN}
    found = {"explained": round(share, 4), "simulator": data.simulator_version()}
    return _export(embedder, join, about | found, config, out)


def _examples(
    embedder: Embedder, chunks: int, seed: int, progress: Progress
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What is known of each photograph and wanted from it; the two photographs of a chunk follow one another."""
    known, wanted = [], []
    targets = None
    for index in range(chunks):
        chunk = data.training_chunk(index, seed=seed)
        targets = targets or Targets.fit(chunk.clean, WHITEN, EMBEDDING_DIM)
        for shot in (0, 1):
            crops = chunk.shots[:, shot]
            known.append(joined(embedder.class_tokens(crops), crops))
            wanted.append(targets.of(chunk.clean).numpy())
        progress(index + 1, chunks, "photographs")
    return np.concatenate(known), np.concatenate(wanted)


def _explained(known: NDArray[np.float32], wanted: NDArray[np.float32]) -> float:
    """Of the last chunk, by a join fitted to the others."""
    held = slice(-2 * data.CHUNK, None)
    join = Join.fit(known[: held.start], wanted[: held.start])
    return explained(known[held] @ join.weight.T + join.bias, wanted[held])


def _export(embedder: Embedder, join: Join, about: dict[str, Any], config: dict[str, Any], out: Path) -> Path:
    (name,) = config.pop("sha256")
    weights = safetensors.numpy.load_file(embedder.folder / name)
    out.mkdir(parents=True, exist_ok=True)
    safetensors.numpy.save_file(weights | join.tensors(), out / WEIGHTS)
    (out / WEIGHTS).chmod(0o644)  # safetensors writes it for its owner only
    seen = {
        "objects_seen": config.get("objects_seen", 0) + about["objects"],
        "crops_seen": config.get("crops_seen", 0) + 2 * about["objects"],
    }
    write_config(out, config | seen | {"name": out.resolve().name, "join": about}, [WEIGHTS])
    return out
