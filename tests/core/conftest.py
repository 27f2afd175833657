"""Fixtures of the tests that run the whole path with small archives."""

from pathlib import Path

import pytest

from tests.support import ProjectingEmbedder, ThresholdSegmenter, make_archive


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """An archive of four small frames with six discs and three events, one of them where there is nothing."""
    return make_archive(tmp_path / "inbox", "171651.1.2")


@pytest.fixture
def segmenter() -> ThresholdSegmenter:
    return ThresholdSegmenter()


@pytest.fixture
def embedder() -> ProjectingEmbedder:
    return ProjectingEmbedder()
