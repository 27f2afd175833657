"""A features folder of three kinds of cells; in the third, CTCs and others are mixed up."""

import numpy as np
import pandas as pd

from ctc_core.features import UNLABELLED, FeaturesFolder, Part

CENTRES = np.array([[0, 0], [12, 0], [0, 12]])


def part(n: int, seed: int, *, cases: str, labelled: bool = True) -> Part:
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 3, n)
    labels = np.where(kind == 2, rng.integers(0, 2, n), kind == 1).astype(int)
    axes = np.eye(32)[kind] * 6 + np.eye(32)[31] * (labels * 0.8)[:, None]
    table = pd.DataFrame(
        {
            "case": [f"{cases}{i % 6}" for i in range(n)],
            "frame_num": np.arange(n) % 175 + 1,
            "label": labels if labelled else np.full(n, UNLABELLED),
            "dapi_path": [f"{i}_dapi.tif" for i in range(n)],
            "ck_path": [f"{i}_ck.tif" for i in range(n)],
            "cd45_path": [f"{i}_cd45.tif" for i in range(n)],
        }
    )
    if cases != "train":
        table["cluster"] = kind
    xy = np.where(rng.random((n, 1)) < 0.1, rng.uniform(-30, 40, (n, 2)), CENTRES[kind] + rng.normal(size=(n, 2)))
    features = (axes + rng.normal(size=(n, 32))).astype(np.float32)
    return Part(table, features, xy.astype(np.float32))


def small_folder() -> FeaturesFolder:
    test, unlabelled = part(300, 2, cases="test"), part(600, 3, cases="pool", labelled=False)
    return FeaturesFolder(part(300, 1, cases="train"), test, unlabelled, np.concatenate([test.xy, unlabelled.xy]))
