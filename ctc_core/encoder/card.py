"""The model card of an encoder, written from its config and its figures, so that no number is typed by hand."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ctc_core.encoder.describe import N_DESCRIPTORS
from ctc_core.models import load_config, model_id

CARD = """# {name}: encoder of CTC candidates

`{id}`. {architecture} (timm), 2.9 million parameters. In: 48 x 48 crops, DAPI / CK / CD45, 8 bit as stretched in
the archive, bilinear to {input_px} px, to [-1, 1]. Out: 128 numbers, the normalised class token.

**Never tested on patient data.** Every crop of training and evaluation is simulated, and all figures below are
*simulated* figures: they compare encoders with each other, they do not predict what this one does in a clinic.
Research use only, not a medical device.

## Training
{training}

## Figures (simulated)
    python -m ctc_core encoder evaluate --seeds {seeds} --patients {labelled}

F1 of CTC against everything else on simulated patients that were never trained on; PCA to 32 and an SVM, as in
the product, fitted on the labels of other patients. Mean and 95 % interval (Student's t) over {seeds} seeds; each
seed draws {labelled} patients that give labels ({cells_labelled} cells) and {tested} that are tested
({cells_tested} cells), a quarter of them CTCs.

{f1}

*random weights*: the same network untrained, batch statistics taken from the data. *classical*: 48 intensities,
sizes, radial profiles and correlations, standardised.

Cells judged rightly, by kind, with all labels, all seeds together ({name} / classical):

{kinds}

## Limits
Not tried on: real cartridges, other instruments, other stains or exposure times, crops that are not centred on a
cell. The simulator decides what is hard here; a real laboratory will have artefacts it does not know.

## Licence
Apache-2.0, like the code. Trained on nothing but the output of this repository's simulator.

## Again
```
{command}
```
`weights.safetensors` SHA-256 `{sha256}`
"""


def write_card(folder: Path, result: Mapping[str, Any], command: str) -> Path:
    """Write README.md into a model folder. `result`: of `evaluate`; `command`: that trained it."""
    path = folder / "README.md"
    path.write_text(card(folder, result, command))
    return path


def card(folder: Path, result: Mapping[str, Any], command: str) -> str:
    """Text of the card, Markdown."""
    config = load_config(folder)
    return CARD.format(
        name=config["name"],
        id=model_id(folder),
        architecture=config["architecture"],
        input_px=config["input_px"],
        training=_training(config),
        seeds=result["seeds"],
        labelled=result["patients"]["labelled"],
        tested=result["patients"]["tested"],
        cells_labelled=result["cells"]["labelled"],
        cells_tested=result["cells"]["tested"],
        f1=_f1_table(result["f1"]),
        kinds=_kinds(result["right_by_kind"]),
        command=command,
        sha256=next(iter(config["sha256"].values())),
    )


def _training(config: Mapping[str, Any]) -> str:
    plan = config["training"]
    warm = min(plan["warm_start"], config["iterations_done"])
    crops = f"{config['crops_seen']:,} simulated crops, each seen once, no labels; {config['crops']}"
    views = f"2 global views of {plan['global_px']} px, 5 local of {plan['local_px']} px, {plan['out_dim']} outputs"
    lines = [
        f"* {crops}; batch {plan['batch']}, seed {plan['seed']}.",
        f"* {config['iterations_done'] - warm} steps of DINO ({views}, learning rate {plan['learning_rate']}).",
        "  The paper trains 30,000 steps of 128 crops.",
    ]
    if warm:
        lines += [
            f"* Before it {warm} steps of a warm start: regression of {N_DESCRIPTORS} descriptors of the crop",
            "  (hand-written: levels, rings, slopes between channels, areas), kept as a second loss beside DINO's.",
        ]
    if not config["completed"]:
        lines.append(f"* Stopped early: {plan['iterations']} steps were planned.")
    return "\n".join(lines)


def _f1_table(f1: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    counts = list(next(iter(f1.values())))
    rows = [f"| {name} | " + " | ".join(_score(by_count[n]) for n in counts) + " |" for name, by_count in f1.items()]
    head = "| | " + " | ".join(f"{n} labels" for n in counts) + " |"
    return "\n".join([head, "|---" * (len(counts) + 1) + "|", *rows])


def _score(score: Mapping[str, float]) -> str:
    return f"{score['mean']:.3f} ({score['low']:.3f} to {score['high']:.3f}), n = {score['n']}"


def _kinds(right: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    ours, classical = right["ours"], right["classical"]
    rows = [
        f"| {kind} | {ours[kind]['n']} | {ours[kind]['share']:.3f} | {classical[kind]['share']:.3f} |" for kind in ours
    ]
    return "\n".join(["| kind | cells | ours | classical |", "|---|---|---|---|", *rows])
