"""The paper's encoder: its published state dict (`ctc_dino.pt`) becomes a model folder of ours.

The file holds DINO's teacher with the names of timm 0.5.4 (`xcit_nano_12_p8_224_dist` without classes) behind
`backbone.`, and DINO's head. Since then timm has renamed a class (XCiT, now Xcit), given every residual its own
`drop_path`, put a dropout before the classes and learned fused attention; all of these have no weights and change
nothing at inference. So each of the 383 tensors keeps its name and shape without the prefix, and every one is checked
against the installed timm's network: a name that changes there is an error here, never a layer left at random.
"""

from __future__ import annotations

import struct
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError  # noqa: TID251  (the error only; torch raises it for what it refuses to read)
from typing import Any

import safetensors.torch

from ctc_core._torch import nn, torch
from ctc_core.encoder.network import ARCHITECTURE, build_network
from ctc_core.errors import ModelError
from ctc_core.models import model_id, sha256, write_config

PREFIX = "backbone."
CLASSES = ("head.weight", "head.bias")
"""A classifier that timm's network may carry; the encoder ends before it."""
INPUT_PX = 224
WEIGHTS = "weights.safetensors"
MAX_BYTES = 2**30
"""Unpacked. The published file has about 24 million numbers, 0.1 GB, most of them in the head."""
UNREADABLE = (
    UnpicklingError, RuntimeError, EOFError, OSError, LookupError, ValueError, TypeError, AttributeError,
    AssertionError, ArithmeticError, MemoryError, struct.error, zipfile.BadZipFile,
)  # fmt: skip
"""What torch and zipfile raise for damaged or hostile files."""


def import_encoder(path: Path, out: Path) -> dict[str, Any]:
    """Write a model folder (weights, config, card) from a published state dict. All of it or nothing.

    Returns:
        model (the folder), encoder_id, tensors (number taken), left (names in the file that are not part of it).

    Raises:
        ModelError: there is such a folder, the file is no plain state dict, or not one of this network.
    """
    out = out.resolve()
    if out.exists():
        message = f"{out}: there is something already. Give another folder, or remove this one."
        raise ModelError(message)
    state = read_state_dict(path)
    network = build_network()
    fill(network, backbone(state), path.name)
    taken = {PREFIX + key for key in network.state_dict()}
    left = sorted(state.keys() - taken)
    _write(network, out, {"file": path.name, "sha256": sha256(path), "left": left})
    return {"model": str(out), "encoder_id": model_id(out), "tensors": len(taken), "left": left}


def read_state_dict(path: Path) -> dict[str, Any]:
    """Names and values of a file that `torch.save` wrote (the zip format). Nothing in it is ever executed.

    Raises:
        ModelError: no such file, too large, damaged, or with anything in it but tensors and plain values.
    """
    if not path.is_file():
        message = f"{path}: no such file. Give the ctc_dino.pt that was published with the paper."
        raise ModelError(message)
    try:
        _check_archive(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except UNREADABLE as error:  # torch's own text advises to switch the check off, so it is not repeated
        reason = f"not a plain PyTorch state dict ({type(error).__name__}): damaged, or holding what could run code"
        message = f"{path}: {reason}. It is not loaded; get the published file again."
        raise ModelError(message) from error
    if not isinstance(state, Mapping) or not all(isinstance(key, str) for key in state):
        message = f"{path}: holds a {type(state).__name__}, not a state dict. Give the published file."
        raise ModelError(message)
    return dict(state)


def _check_archive(path: Path) -> None:
    """A small zip can unpack to more than there is memory; older files of torch are no zips and declare any size.

    torch does not compare the checksums of what it reads.
    """
    with zipfile.ZipFile(path) as archive:
        size = sum(member.file_size for member in archive.infolist())
        if size > MAX_BYTES:
            message = f"{path}: {size / 2**20:,.0f} MiB unpacked, more than any such encoder. It is not loaded."
            raise ModelError(message)
        if damaged := archive.testzip():
            message = f"{damaged} has another checksum"
            raise zipfile.BadZipFile(message)


def backbone(state: Mapping[str, Any]) -> dict[str, Any]:
    """The encoder's part of a state dict, without the prefix and without classes."""
    taken = {key.removeprefix(PREFIX): value for key, value in state.items() if key.startswith(PREFIX)}
    return {key: value for key, value in taken.items() if key not in CLASSES}


def fill(network: nn.Module, state: Mapping[str, Any], source: str) -> None:
    """Give the network these weights; leaves it in eval mode.

    Raises:
        ModelError: names every tensor that is missing, unexpected, of another shape or type, or not finite.
    """
    wanted = network.state_dict()
    problems = [f"missing: {PREFIX}{key}" for key in wanted if key not in state]
    problems += [f"unexpected: {PREFIX}{key}" for key in state if key not in wanted]
    for key, tensor in wanted.items():
        if key in state and (problem := _misfit(state[key], tensor)):
            problems.append(f"{PREFIX}{key}: {problem}")
    if problems:
        message = f"{source}: not the weights of {ARCHITECTURE}. {'; '.join(problems)}. Give the published file."
        raise ModelError(message)
    network.load_state_dict(dict(state))
    network.eval()


def _misfit(found: object, wanted: torch.Tensor) -> str | None:
    """What keeps `found` from standing in for `wanted`, or None."""
    if not isinstance(found, torch.Tensor) or found.layout != torch.strided or found.is_meta:
        return "not a plain tensor"
    if found.shape != wanted.shape:
        return f"shape {tuple(found.shape)}, not {tuple(wanted.shape)}"
    if found.is_floating_point() != wanted.is_floating_point() or found.is_complex():
        return f"{found.dtype}, not {wanted.dtype}"
    return None if bool(found.isfinite().all()) else "not finite"


def _write(network: nn.Module, out: Path, source: Mapping[str, Any]) -> None:
    """The folder appears, complete, in one move."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".import-") as parent:
        folder = Path(parent) / out.name
        folder.mkdir()
        safetensors.torch.save_file(network.state_dict(), folder / WEIGHTS)
        (folder / WEIGHTS).chmod(0o644)  # safetensors writes it for its owner only
        config = {"kind": "encoder", "name": out.name, "architecture": ARCHITECTURE, "input_px": INPUT_PX}
        write_config(folder, {**config, "method": "DINO", "source": dict(source)}, [WEIGHTS])
        (folder / "README.md").write_text(_card(folder, source))
        folder.rename(out)


def _card(folder: Path, source: Mapping[str, Any]) -> str:
    return CARD.format(
        name=folder.name,
        id=model_id(folder),
        architecture=ARCHITECTURE,
        input_px=INPUT_PX,
        file=source["file"],
        source_sha256=source["sha256"],
        weights=WEIGHTS,
        sha256=sha256(folder / WEIGHTS),
    )


CARD = """# {name}: the paper's encoder, imported

`{id}`. {architecture} (timm), 2.9 million parameters. In: 48 x 48 crops, DAPI / CK / CD45, 8 bit as
stretched in the archive, bilinear to {input_px} px, / 255, * 2 - 1. Out: 128 numbers, the normalised class token.

Imported from `{file}`; every name and shape was checked. Whether it is the file that was published with the paper
cannot be known here: compare its SHA-256 with the publisher's.

**Never tested here: no patient data were available to the authors of this software, and no figure of the paper was
reproduced.** Research use only, not a medical device.

## Data
As the paper says: 999,285 unlabelled CellSearch cell images of 60 patients with metastatic breast cancer
(arXiv:2411.16332); DINO, 30,000 iterations of batches of 128. Seeds were not published.

## Licence
The publisher's. The code of the publication is under Apache-2.0; for the weights read the record they came from
(doi:10.5281/zenodo.14033379).

## Figures
None measured here. The paper reports a total F1 of 0.923 on 10 test patients (n = 2,773 cells, no interval), with its
own segmentation. Compare it with the other encoders on your own labels before you trust it.

## Differences to the publisher's inference
Resized without rounding to 8 bits, and computed in 32-bit instead of mixed precision.

## Again
```
python -m ctc_core encoder import {file}
```
`{file}` SHA-256 `{source_sha256}`
`{weights}` SHA-256 `{sha256}`
"""
