"""Train the segmenter: real nuclei and simulated frames in, a model folder out. Can be stopped and resumed at any
time.
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ctc_core.errors import ModelError
from ctc_core.models import load_config, model_folder, model_id, write_config
from ctc_core.segment import stardist
from ctc_core.segment.dataset import Sample, load_nuclei, simulated
from ctc_core.segment.evaluate import average_precision, reviewed
from ctc_core.segment.folders import WEIGHTS
from ctc_core.segment.outlines import Outlines
from ctc_core.segment.patches import Patches
from ctc_core.types import Progress, silent

log = logging.getLogger(__name__)

NETWORK: dict[str, Any] = {
    "n_rays": 32,
    "grid": (2, 2),
    "n_channel_in": 1,
    "unet_n_depth": 3,
    "unet_n_filter_base": 16,
    "net_conv_after_unet": 64,
    "train_loss_weights": (1.0, 0.5),
}
"""The published network at half its width: 15-19 px blobs need less, and a frame costs a quarter of the arithmetic."""

PROB_THRESHOLDS = tuple(k / 20 for k in range(5, 17))
NMS_THRESHOLDS = (0.3, 0.4, 0.5)
TOLERANCE = 0.01
"""Share of CTCs that thresholds may lose against the best: one in a hundred, about what validation can tell apart."""

CHECKPOINT = "checkpoint.weights.h5"
STATE = "checkpoint.json"
REPORT_EVERY, KEEP_EVERY = 50, 250
"""Steps between reports of progress and between checkpoints."""


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the weights, apart from the data."""

    seed: int = 0
    """Of random weights and of the patches drawn."""
    split: int = 0
    """Seed of the split of the real images: that of the model it starts from, or held-back images are learned."""
    steps: int = 4000
    batch: int = 8
    patch: int = 128
    learning_rate: float = 8e-4
    """At the start; falls to 0 along a cosine."""
    hold: int = 0
    """Steps at the full learning rate before it begins to fall."""
    frames: int = 80
    """Simulated training frames, each of another patient; 0 = real nuclei only."""
    start: str | None = None
    """Model whose weights are the starting point; None = random weights."""


def train(
    nuclei: Path, out: Path, *, recipe: Recipe | None = None, threads: int = 0, progress: Progress = silent
) -> Path:
    """Train on the training part of `nuclei` (.npz, see `dataset.load_nuclei`) and simulated frames; returns the model
    folder `out`.

    Checkpoints stand in `out`/training until the end; a run that finds them goes on from there, with the same patches
    as if it had never stopped.

    Raises:
        ModelError: the nuclei cannot be read, or the checkpoint is of another recipe.
    """
    recipe = recipe or Recipe()
    work = out / "training"
    work.mkdir(parents=True, exist_ok=True)
    network = _fit(_training_data(nuclei, recipe), recipe, work, threads=threads, progress=progress)
    validation = validation_data(nuclei, recipe)
    thresholds = choose_thresholds(network, validation)
    _write_model(out, network, thresholds, recipe)
    for name in (CHECKPOINT, STATE):
        (work / name).unlink(missing_ok=True)
    return out


def _training_data(nuclei: Path, recipe: Recipe) -> Patches:
    groups: list[Sequence[Sample]] = [load_nuclei(nuclei, "train", seed=recipe.split)]
    if recipe.frames:
        groups.append(simulated("train", recipe.frames))
    return Patches(tuple(groups), size=recipe.patch)


def validation_data(nuclei: Path, recipe: Recipe) -> list[Sample]:
    """Real nuclei of the validation part and, if the recipe has simulated frames, 10 of patients seen nowhere else."""
    frames = simulated("validation", 10) if recipe.frames else []
    return [*load_nuclei(nuclei, "validation", seed=recipe.split), *frames]


def _fit(patches: Patches, recipe: Recipe, work: Path, *, threads: int, progress: Progress) -> Any:
    network = stardist.build_network(NETWORK, threads=threads, seed=recipe.seed)
    stardist.compile_for_training(network)
    first = _resume(network, recipe, work)
    began, losses = time.monotonic(), []
    for step in range(first, recipe.steps):
        rng = np.random.default_rng([recipe.seed, step])
        batch = patches.batch(recipe.batch, rng)
        losses.append(stardist.training_step(network, *batch, rate=_rate(recipe, step)))
        done = step + 1
        if done % KEEP_EVERY == 0 or done == recipe.steps:
            _keep(network, recipe, work, done)
        if done % REPORT_EVERY == 0:
            pace = (time.monotonic() - began) / (done - first)
            log.info("step %d loss %.4f, %.2f s a step", done, np.mean(losses[-50:]), pace)
            progress(done, recipe.steps, f"loss {np.mean(losses[-50:]):.3f}")
    return stardist.averaged_copy(network)


def _rate(recipe: Recipe, step: int) -> float:
    """Learning rate of a step: held, then along a cosine to 0."""
    falling = max(step - recipe.hold, 0) / max(recipe.steps - recipe.hold, 1)
    return recipe.learning_rate * (1 + math.cos(math.pi * falling)) / 2


def _keep(network: Any, recipe: Recipe, work: Path, done: int) -> None:
    stardist.save_weights(network, work / CHECKPOINT)
    (work / STATE).write_text(json.dumps({"done": done, "recipe": asdict(recipe)}))


def _resume(network: Any, recipe: Recipe, work: Path) -> int:
    """Steps already done; their weights and the state of the optimiser are loaded. At step 0: the recipe's starting
    weights.
    """
    if not (work / STATE).is_file():
        if recipe.start is not None:
            stardist.load_weights(network, model_folder(recipe.start) / WEIGHTS)
        return 0
    state = json.loads((work / STATE).read_text())
    if state["recipe"] != asdict(recipe):
        message = (
            f"{work}: its checkpoint is of another recipe ({state['recipe']}). Delete it or choose another folder."
        )
        raise ModelError(message)
    stardist.load_weights(network, work / CHECKPOINT)
    return int(state["done"])


def choose_thresholds(network: Any, validation: Sequence[Sample]) -> dict[str, float]:
    """Of the thresholds that bring the most simulated CTCs to review (to within `TOLERANCE`), those with the best mean
    of AP at IoU 0.5 and 0.7 (StarDist tunes on AP, too), real and simulated images counting alike.

    A cell too many is one more for the classifier, a lost CTC is lost; but beyond that, every false outline costs.
    """
    scores: dict[tuple[float, float], tuple[float, float]] = {}
    for nms in NMS_THRESHOLDS:
        stardist.set_thresholds(network, prob=min(PROB_THRESHOLDS), nms=nms)
        found = [stardist.predict(network, sample.image) for sample in validation]
        for prob in PROB_THRESHOLDS:
            kept = [outlines.at_least(prob) for outlines in found]
            scores[prob, nms] = _ctcs_reviewed(kept, validation), _mean_precision(kept, validation)
            log.info(
                "thresholds prob %.2f nms %.2f: CTCs %.4f, mean AP %.4f on validation", prob, nms, *scores[prob, nms]
            )
    most = max(ctcs for ctcs, _ in scores.values())
    prob, nms = max((pair for pair in scores if scores[pair][0] >= most - TOLERANCE), key=lambda pair: scores[pair][1])
    return {"prob": prob, "nms": nms}


def _mean_precision(found: Sequence[Outlines], samples: Sequence[Sample]) -> float:
    """Mean AP of the real and of the simulated images; 1 where there is no image."""
    groups = [[k for k, sample in enumerate(samples) if bool(sample.kinds) == simulated] for simulated in (False, True)]
    scores = [average_precision([found[k] for k in g], [samples[k] for k in g], (0.5, 0.7)) for g in groups if g]
    return float(np.mean([list(score.values()) for score in scores])) if scores else 1.0


def _ctcs_reviewed(found: Sequence[Outlines], samples: Sequence[Sample]) -> float:
    """Share of the simulated CTCs that a reviewer gets to see; 1 where there are none."""
    seen = []
    for one, sample in zip(found, samples, strict=True):
        here = np.unique(sample.labels)[1:] - 1
        ctcs = [k for k in here.tolist() if sample.kinds and sample.kinds[k].startswith("ctc")]
        seen += reviewed(one, sample.labels)[ctcs].tolist()
    return float(np.mean(seen)) if seen else 1.0


def _write_model(out: Path, network: Any, thresholds: dict[str, float], recipe: Recipe) -> None:
    stardist.save_weights(network, out / WEIGHTS)
    config = {
        "kind": "stardist2d",
        "name": out.name,
        "stardist": NETWORK,
        "percentiles": stardist.PERCENTILES,
        "thresholds": thresholds,
        "training": _history(recipe),
    }
    write_config(out, config, [WEIGHTS])


def _history(recipe: Recipe) -> dict[str, Any]:
    """The recipe, and instead of the name of its starting point that one's id and recipe: a path says nothing
    elsewhere.
    """
    history = asdict(recipe)
    if recipe.start is not None:
        folder = model_folder(recipe.start)
        history["start"] = {"id": model_id(folder), **load_config(folder)["training"]}
    return history
