"""All settings, each from the environment variable `CTC_<NAME>`, printed by `python -m ctc_core doctor`."""

from __future__ import annotations

import getpass
from enum import StrEnum
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

ROOT = Path(__file__).resolve().parent.parent
"""The folder that holds app.py and models/."""


class Runtime(StrEnum):
    """What computes the networks. All give the same cells (`python -m ctc_core bench` shows how nearly)."""

    OPENVINO = "openvino"
    """Fast on CPUs: in 8-bit integers where the model has such a form that agrees (`ctc_core.int8`), else as FLOAT."""
    FLOAT = "float"
    """The same without integers: in 16 bits (bf16) where the CPU has such instructions, else in 32."""
    EXACT = "exact"
    """Keras and torch in 32 bits, as trained."""


class Auth(StrEnum):
    """How the desk learns who decides."""

    NONE = "none"
    """One person at one machine: the desk answers this machine only, and asks for no password."""
    OIDC = "oidc"
    """A server of a lab: everybody logs in at the lab's identity provider (`[auth]` in secrets.toml)."""


class Settings(BaseSettings):
    """Read once at start; immutable."""

    model_config = SettingsConfigDict(env_prefix="CTC_", frozen=True, extra="ignore")

    data_dir: Path = Field(default=ROOT / "data", description="everything the desk keeps")
    inbox_dir: Path | None = Field(default=None, description="where archives are looked for; default DATA_DIR/inbox")
    backup_dir: Path | None = Field(
        default=None, description="where nightly backups go, best on another disk; default DATA_DIR/backups"
    )
    auth: Auth = Field(default=Auth.NONE, description="none: one person at this machine; oidc: log-in for a lab")
    reader: str = Field(default_factory=getpass.getuser, description="who decides, in single-user mode")
    segmenter: str = Field(
        default="ctc-ck-v3", description="folder in models/, a path to such a folder, or 2D_versatile_fluo"
    )
    encoder: str = Field(default="xcit-dino-v3", description="folder in models/ or a path to such a folder")
    threshold: float = Field(default=0.5, gt=0, lt=1, description="P(CTC) from which a cell is a candidate")
    runtime: Runtime = Field(
        default=Runtime.OPENVINO,
        description="openvino; float: the same without 8-bit integers; exact: Keras and torch as trained",
    )
    hide_score: bool = Field(default=False, description="hide what the classifier says of a cell until it is decided")
    scheduler: str | None = Field(
        default=None, description="address of a dask scheduler whose workers compute archives; default: this machine"
    )
    cluster_in_clear: bool = Field(
        default=False, description="allow a scheduler on another machine without TLS, in a network that only they reach"
    )
    threads: int = Field(default=0, ge=0, description="threads of the worker's networks; 0 = all cores")

    @property
    def inbox(self) -> Path:
        """Folder that the ingest page lists."""
        return self.inbox_dir or self.data_dir / "inbox"

    @property
    def backups(self) -> Path:
        """Folder of the nightly backups."""
        return self.backup_dir or self.data_dir / "backups"
