"""All settings, each from the environment variable `CTC_<NAME>`, printed by `python -m ctc_core doctor`."""

from __future__ import annotations

import getpass
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

ROOT = Path(__file__).resolve().parent.parent
"""The folder that holds app.py and models/."""


class Settings(BaseSettings):
    """Read once at start; immutable."""

    model_config = SettingsConfigDict(env_prefix="CTC_", frozen=True, extra="ignore")

    data_dir: Path = Field(default=ROOT / "data", description="everything the desk keeps")
    inbox_dir: Path | None = Field(default=None, description="where archives are looked for; default DATA_DIR/inbox")
    reader: str = Field(default_factory=getpass.getuser, description="who decides, in single-user mode")
    segmenter: str = Field(
        default="ctc-ck-v2", description="folder in models/, a path to such a folder, or 2D_versatile_fluo"
    )
    encoder: str = Field(default="xcit-dino-v2", description="folder in models/ or a path to such a folder")
    threshold: float = Field(default=0.5, gt=0, lt=1, description="P(CTC) from which a cell is a candidate")
    threads: int = Field(default=0, ge=0, description="threads of the worker's networks; 0 = all cores")

    @property
    def inbox(self) -> Path:
        """Folder that the ingest page lists."""
        return self.inbox_dir or self.data_dir / "inbox"
