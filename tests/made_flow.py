"""A small file of flow cells: mitotic ones have a small bright nucleus; the second experiment holds G1 cells only."""

from pathlib import Path

import numpy as np


def flow_arrays(n: int = 160, seed: int = 0) -> dict[str, np.ndarray]:
    """`tiles`, `phase`, `experiment` of n cells, a fifth of the first experiment's mitotic."""
    rng = np.random.default_rng(seed)
    tiles = rng.integers(30, 60, (n, 3, 40, 40), dtype=np.uint16)
    tiles[:, 0] += 600
    experiment = np.where(np.arange(n) % 4 == 3, "2", "1")
    phase = np.where(experiment == "2", "g1", rng.choice(["g1", "s_phase", "g2"], n))
    mitotic = np.flatnonzero(experiment == "1")[::5]
    phase = phase.astype("<U9")
    phase[mitotic] = np.resize(["prophase", "metaphase", "anaphase", "telophase"], len(mitotic))
    distance = np.hypot(*np.mgrid[-19.5:20, -19.5:20])
    for i in range(n):
        tiles[i, 1][distance < (5 if i in mitotic else 9)] += np.uint16(1500 if i in mitotic else 400)
    return {"tiles": tiles, "phase": phase, "experiment": experiment}


def flow_file(folder: Path, **changes: np.ndarray) -> Path:
    """An .npz with those arrays; `changes` replace some."""
    path = folder / "flow.npz"
    np.savez(path, **(flow_arrays() | changes))
    return path
