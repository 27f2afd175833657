"""What this installation is, and what is wrong with it: the first thing to look at when something does not work."""

from __future__ import annotations

import os
import platform
import shutil
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ctc_core.arithmetic import Arithmetic, arithmetic
from ctc_core.errors import CTCError
from ctc_core.models import load_config, model_folder, model_id
from ctc_core.settings import ROOT, Runtime, Settings

PACKAGES = (
    "streamlit", "duckdb", "numpy", "pandas", "pyarrow", "scikit-learn", "skops", "torch", "torchvision", "timm",
    "safetensors", "openvino", "tensorflow", "stardist", "umap-learn", "hdbscan", "tifffile", "huey", "altair",
)  # fmt: skip
MIN_FREE_GB = 5.0
"""A cartridge of 175 frames leaves about 0.2 GB; below this a cohort will not fit."""


def examine(settings: Settings) -> dict[str, Any]:
    """Versions, what computes the networks, settings, models, store and disk, with a sentence for each problem."""
    named = (("segmenter", settings.segmenter), ("encoder", settings.encoder))
    models = {kind: _model(name, settings.data_dir) for kind, name in named}
    free = _free_gb(settings.data_dir)
    problems = [model["problem"] for model in models.values() if "problem" in model]
    if free < MIN_FREE_GB:
        problems.append(f"{settings.data_dir}: only {free:.1f} GB free. Make room before ingesting.")
    return {
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "requirements": _against_requirements(ROOT / "requirements.txt"),
        "packages": {name: _version(name) for name in PACKAGES},
        "arithmetic": _arithmetic(settings.runtime),
        "settings": settings.model_dump(mode="json"),
        "models": models,
        "store": _store(settings.data_dir),
        "free_gb": round(free, 1),
        "problems": problems,
    }


def _arithmetic(runtime: Runtime) -> Arithmetic:
    try:
        return arithmetic(runtime)
    except ImportError as error:
        return {"runtime": str(runtime), "problem": str(error)}


def _version(name: str) -> str | None:
    for candidate in (name, f"{name}-cpu"):
        try:
            return version(candidate)
        except PackageNotFoundError:
            continue
    return None


def _against_requirements(path: Path) -> str:
    """`as pinned`, or what differs."""
    pins = [line.split(";")[0].strip().split("==") for line in path.read_text().splitlines() if "==" in line]
    differing = [f"{name} {found}" for name, wanted in pins if (found := _version(name)) and _public(found) != wanted]
    return "as pinned" if not differing else "not as pinned: " + ", ".join(differing)


def _public(found: str) -> str:
    """Version without the local part that tells builds apart (2.13.0+cpu)."""
    return found.split("+")[0]


def _model(name: str, data_dir: Path) -> dict[str, Any]:
    try:
        folder = model_folder(name, data_dir)
        return {"name": name, "id": model_id(folder), "kind": load_config(folder).get("kind")}
    except CTCError as error:
        return {"name": name, "problem": str(error)}


def _free_gb(folder: Path) -> float:
    there = next(path for path in (folder, *folder.parents) if path.exists())
    return shutil.disk_usage(there).free / 1e9


def _store(data_dir: Path) -> dict[str, Any]:
    """Whether there is a store, and which process owns it (as its lock file says)."""
    lock = data_dir / "owner.lock"
    return {
        "path": str(data_dir / "store.duckdb"),
        "exists": (data_dir / "store.duckdb").exists(),
        "last_owner_pid": lock.read_text().strip() if lock.exists() else None,
    }
