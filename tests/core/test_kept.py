"""Arrays that are made once and read afterwards."""

from pathlib import Path

import numpy as np
import pytest

from ctc_core.kept import kept_arrays


def test_made_once_and_the_same_when_read(tmp_path: Path) -> None:
    calls = []

    def make() -> dict[str, np.ndarray]:
        calls.append(1)
        return {"vectors": np.arange(6, dtype=np.float32).reshape(2, 3), "kinds": np.array(["ctc", "point"])}

    path = tmp_path / "new" / "cohort.npz"
    for _ in range(2):
        found = kept_arrays(path, make)
        assert list(found) == ["vectors", "kinds"] and found["vectors"].dtype == np.float32
        assert (found["vectors"].tolist(), found["kinds"].tolist()) == ([[0, 1, 2], [3, 4, 5]], ["ctc", "point"])
    assert calls == [1] and [one.name for one in path.parent.iterdir()] == ["cohort.npz"]
    kept_arrays(None, make)
    assert calls == [1, 1]


def test_objects_are_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "cohort.npz"
    with pytest.raises(ValueError, match="allow_pickle"):
        kept_arrays(path, lambda: {"what": np.array([{}], dtype=object)})
    assert not path.exists()
