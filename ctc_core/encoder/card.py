"""The model card of an encoder, written from its config and its figures, so that no number is typed by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ctc_core.encoder import tables
from ctc_core.encoder.data import CTC_SHARE
from ctc_core.encoder.describe import N_DESCRIPTION
from ctc_core.encoder.descriptors import N_DESCRIPTORS
from ctc_core.encoder.join import N_JOINED
from ctc_core.encoder.plan import Plan
from ctc_core.encoder.targets import N_TARGETS
from ctc_core.models import load_config, model_id
from ctc_core.types import EMBEDDING_DIM

CARD = """# {name}: encoder of CTC candidates

`{id}`. {architecture} (timm), 2.9 million parameters. In: 48 x 48 crops, DAPI / CK / CD45, 8 bit as stretched in
the archive, bilinear to {input_px} px, to [-1, 1]. Out: 128 numbers, {vector}.

**Never tested on patient data.** Every crop of training and evaluation is simulated, and all figures below are
*simulated* figures: they compare encoders with each other, they do not predict what this one does in a clinic.
Research use only, not a medical device.

## Training
{crops_seen:,} distinct simulated crops, each seen once: two photographs of each of {objects_seen:,} objects (some of
them drawn again from the same frame); {crops}. No kind and no class was told,
but the draw holds {ctc_share:.0%} CTCs, which takes the simulator's truth.

{stages}

*Photographs*: the simulator draws an object's light once and photographs it twice, with other stain strength,
background, haze, focus, noise, neighbours and page limits; DINO's views of a cell come from both, so that it learns
what they have in common. *Description*: from a photograph the network predicts {descriptors} hand-written values
(levels, rings, areas, diameters, slopes between channels, what leaks from CK into CD45) of a clean photograph, which
shows the object alone, without neighbours, background, noise and page limits: as {targets} principal components,
{whiten:.0%} whitened, through a fixed map that keeps angles, so that distances between vectors are distances between
descriptions. That is knowledge only a simulator has. It names no class, but it says which light is the object's own,
and so it bears on what decides a class in this simulator.
The paper trains DINO for 30,000 steps of 128 crops, without a description.
{join}
## Figures (simulated)
    python -m ctc_core encoder evaluate {name} --seeds {seeds} --patients {labelled}

F1 of CTC against everything else on simulated patients that were never trained on; PCA to 32 and an SVM, as in
the product, fitted on the labels of other patients. Intervals: 95 %, Student's t over seeds, each with patients of its
own. *random weights*: the same network untrained, batch statistics taken from the data. *classical*: intensities,
sizes, radial profiles and correlations, standardised.{alone}

```
{figures}
```

## Limits
Not tried on: real cartridges, other instruments, other stains or exposure times, crops that are not centred on a
cell. The simulator decides what is hard here; a real laboratory will have artefacts it does not know. The encoder and
its test share one simulator, so the figures are kinder to it than to features that know nothing of simulators.

## Licence
Apache-2.0, like the code. Trained on nothing but the output of this repository's simulator; no patient data.

## Again
```
{commands}
```
Each stage with the simulator of its time (its hash is in `config.json`), so that today's gives weights like these, not
the same bytes. `--start {name}` goes on from these weights.

`weights.safetensors` SHA-256 `{sha256}`
"""

TOKEN = "the normalised class token"

JOIN = """
*Join*: the vector is a linear map of {joined} numbers, the network's class token and {descriptors} hand-written
descriptors of the crop itself (levels, rings, areas, slopes between channels). It was fitted by ridge regression to
{targets} components of the clean photographs' description, {whiten:.0%} whitened, on both photographs of {objects:,} of
the objects above (seed {seed}, simulator `{simulator}`), and says {explained:.0%} of the components' variance in
objects held back. No label goes into it. What the network and the descriptors do by themselves stands in the table.
"""

ALONE = """ *ours* is
the joined vector; *network alone* its class token, *descriptors alone* the descriptors, standardised: the parts it is
made of."""

OPTIONS = {
    "iterations": "iterations", "input_px": "input-px", "seed": "seed", "start": "start", "warm_start": "warm-start",
    "batch": "batch", "global_px": "global-px", "local_px": "local-px", "locals": "locals",
    "learning_rate": "learning-rate", "warm_rate": "warm-rate", "warmup": "warmup", "freeze_last": "freeze-last",
    "describe": "describe",
}  # fmt: skip
"""Fields of a plan and the options of `encoder train` that set them."""


def write_card(folder: Path, result: Mapping[str, Any]) -> Path:
    """Write README.md into a model folder. `result`: of `evaluate`."""
    path = folder / "README.md"
    path.write_text(card(folder, result))
    return path


def card(folder: Path, result: Mapping[str, Any]) -> str:
    """Text of the card, Markdown."""
    config = load_config(folder)
    stages, join = config["stages"], config.get("join")
    return CARD.format(
        name=config["name"],
        id=model_id(folder),
        architecture=config["architecture"],
        input_px=config["input_px"],
        crops_seen=config["crops_seen"],
        objects_seen=config["objects_seen"],
        crops=config["crops"],
        vector="class token and hand-written descriptors joined by a linear map" if join else TOKEN,
        ctc_share=CTC_SHARE,
        stages="\n".join(_stage(number, stage) for number, stage in enumerate(stages, 1)),
        join=JOIN.format(joined=N_JOINED, descriptors=N_DESCRIPTORS, targets=EMBEDDING_DIM, **join) if join else "",
        alone=ALONE if join else "",
        descriptors=N_DESCRIPTION,
        targets=N_TARGETS,
        whiten=stages[-1]["training"].get("whiten", 0.0),
        seeds=result["seeds"],
        labelled=result["patients"]["labelled"],
        figures="\n".join(tables.simulated(result)),
        commands="\n".join(commands(config["name"], stages, join)),
        sha256=next(iter(config["sha256"].values())),
    )


def _stage(number: int, stage: Mapping[str, Any]) -> str:
    """What one training did, in a sentence or three."""
    plan, done = stage["training"], stage["iterations_done"]
    warm = min(plan["warm_start"], done)
    parts = []
    if warm:
        parts.append(f"{warm:,} steps of description alone (learning rate {plan['warm_rate']:g})")
    if done > warm:
        views = f"2 global views of {plan['global_px']} px, {2 * plan['locals']} local of {plan['local_px']} px"
        beside = f", description beside it with weight {plan['describe']:g}" if plan["describe"] else ""
        rate = f"learning rate {plan['learning_rate']:g}"
        parts.append(f"{done - warm:,} steps of DINO ({views}, {plan['out_dim']} outputs, {rate}{beside})")
    text = f"{number}. {', then '.join(parts) or 'nothing'}; views of {plan['global_px']} px"
    short = "" if stage["completed"] else f" Stopped early: {plan['iterations']:,} steps were planned."
    return f"{text}, {plan['batch']} objects a step, seed {plan['seed']}, simulator `{stage['simulator']}`.{short}"


def commands(name: str, stages: Sequence[Mapping[str, Any]], join: Mapping[str, Any] | None = None) -> list[str]:
    """The commands that train such an encoder; earlier stages go where the next one looks for them."""
    out = f"models/{name}"
    last = f"training/{name}" if join else out
    folders = [stage["training"]["start"] for stage in stages[1:]] + [last]
    lines = [_command(folder, stage["training"]) for folder, stage in zip(folders, stages, strict=True)]
    if join:
        fit = f"--objects {join['objects']} --seed {join['seed']}"
        lines.append(f"python -m ctc_core encoder join {last} {out} {fit}")
    return lines


def _command(folder: str, plan: Mapping[str, Any]) -> str:
    """`encoder train` with every option that differs from the default."""
    usual = Plan(iterations=0)
    given = [f"--{name} {plan[key]:g}" if isinstance(plan[key], float) else f"--{name} {plan[key]}"
             for key, name in OPTIONS.items() if plan[key] != getattr(usual, key)]  # fmt: skip
    return " ".join(["python -m ctc_core encoder train", folder, *given])
