"""The features folder: a round trip, and a sentence for everything that can be wrong with it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ctc_core.errors import UserError
from ctc_core.features import COLUMNS, read_features, write_features
from tests.reliability.features_folder import small_folder

FILES = [
    "df_labeled_test", "df_labeled_test_and_unlabeled_train", "df_labeled_train", "df_unlabeled_train",
    "labeled_test_and_unlabeled_train_umap_features.npy", "labeled_test_pca_features.npy",
    "labeled_test_umap_features.npy", "labeled_train_pca_features.npy", "labeled_train_umap_features.npy",
    "unlabeled_train_pca_features.npy", "unlabeled_train_umap_features.npy",
]  # fmt: skip


def test_round_trip(tmp_path: Path) -> None:
    given = small_folder()
    folder = write_features(tmp_path / "f", given)
    assert sorted(path.name for path in folder.iterdir()) == FILES
    found = read_features(folder)
    for name in ("train", "test", "unlabelled"):
        one, other = getattr(given, name), getattr(found, name)
        pd.testing.assert_frame_equal(other.table, one.table)
        np.testing.assert_array_equal(other.features, one.features)
        np.testing.assert_array_equal(other.xy, one.xy)
    np.testing.assert_array_equal(found.clustered_xy, given.clustered_xy)
    assert found.train.clusters is None
    assert found.test.clusters is not None and set(found.test.clusters) == {0, 1, 2}
    assert set(found.unlabelled.labels) == {10}


def test_joined_files_are_what_published_scripts_read(tmp_path: Path) -> None:
    folder = write_features(tmp_path, small_folder())
    both = pd.read_csv(folder / "df_labeled_test_and_unlabeled_train")
    assert len(both) == 900 and (both.label[300:] == 10).all() and set(both.label[:300]) == {0, 1}
    assert np.load(folder / "labeled_test_and_unlabeled_train_umap_features.npy").shape == (900, 2)


def test_numbers_as_case_stay_what_they_are(tmp_path: Path) -> None:
    folder = write_features(tmp_path, small_folder())
    table = pd.read_csv(folder / "df_labeled_train").assign(case="007")
    table.to_csv(folder / "df_labeled_train", index=False)
    assert set(read_features(folder).train.table["case"]) == {"007"}


def rewrite_table(name: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Callable[[Path], None]:
    return lambda folder: change(pd.read_csv(folder / name)).to_csv(folder / name, index=False)


def rewrite_array(name: str, change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], None]:
    return lambda folder: np.save(folder / f"{name}.npy", change(np.load(folder / f"{name}.npy")))


@pytest.mark.parametrize("name", FILES)
def test_every_file_is_missed(tmp_path: Path, name: str) -> None:
    folder = write_features(tmp_path, small_folder())
    (folder / name).unlink()
    with pytest.raises(UserError) as caught:
        read_features(folder)
    assert str(caught.value) == (
        f"{folder / name}: missing. A features folder needs all files of the published layout; export it again."
    )


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (
            rewrite_table("df_labeled_test", lambda t: t.drop(columns="label")),
            f"df_labeled_test: the column 'label' is missing. It needs {', '.join(COLUMNS)}.",
        ),
        (
            rewrite_table("df_labeled_train", lambda t: t.assign(label=t.label.replace(1, 3))),
            "df_labeled_train: the label 3 stands where only 0 or 1 may. 0 is non-CTC, 1 CTC, 10 unlabelled.",
        ),
        (
            rewrite_table("df_unlabeled_train", lambda t: t.assign(label=1)),
            "df_unlabeled_train: the label 1 stands where only 10 may. 0 is non-CTC, 1 CTC, 10 unlabelled.",
        ),
        (
            rewrite_array("labeled_test_pca_features", lambda a: a[:-1]),
            "labeled_test_pca_features.npy: of shape (299, 32), but its table needs (300, n). Export both again.",
        ),
        (
            rewrite_array("labeled_train_umap_features", lambda a: np.tile(a, 2)),
            "labeled_train_umap_features.npy: of shape (300, 4), but its table needs (300, 2). Export both again.",
        ),
        (
            rewrite_array("labeled_train_pca_features", lambda a: a * np.nan),
            "labeled_train_pca_features.npy: holds values that are not finite decimal numbers.",
        ),
        (
            rewrite_array("labeled_train_pca_features", lambda a: a.astype(object)),
            "labeled_train_pca_features.npy: not a plain npy array (Object arrays cannot be loaded",
        ),
        (
            lambda folder: (folder / "labeled_train_pca_features.npy").write_bytes(b"PK\x03\x04 cut"),
            "labeled_train_pca_features.npy: not a plain npy array (",
        ),
        (
            rewrite_array("labeled_train_pca_features", lambda a: a[:, :0]),
            "labeled_train_pca_features.npy: of shape (300, 0), but its table needs (300, n).",
        ),
        (
            rewrite_table("df_labeled_test", lambda t: t.assign(cluster=[0, "b", *t.cluster[2:]])),
            "df_labeled_test: the cluster 'b' of row 2 is not a whole number.",
        ),
        (
            rewrite_table("df_unlabeled_train", lambda t: t.assign(cluster=t.cluster.where(t.cluster.index != 3))),
            "df_unlabeled_train: the cluster '' of row 4 is not a whole number.",
        ),
        (rewrite_table("df_labeled_test", lambda t: t[:0]), "df_labeled_test: holds no cell."),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, spoil: Callable[[Path], None], sentence: str) -> None:
    folder = write_features(tmp_path, small_folder())
    spoil(folder)
    with pytest.raises(UserError) as caught:
        read_features(folder)
    assert str(caught.value).startswith(f"{folder}/{sentence}")


def test_files_that_contradict_each_other(tmp_path: Path) -> None:
    folder = write_features(tmp_path, small_folder())
    rewrite_array("labeled_test_and_unlabeled_train_umap_features", lambda a: a[::-1])(folder)
    with pytest.raises(UserError, match="are not test followed by unlabelled cells"):
        read_features(folder)
    write_features(tmp_path, small_folder())
    rewrite_array("labeled_test_pca_features", lambda a: a[:, :30])(folder)
    with pytest.raises(UserError, match=r"have \[30, 32\] columns"):
        read_features(folder)


def test_no_folder_and_no_table(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such folder"):
        read_features(tmp_path / "none")
    folder = write_features(tmp_path, small_folder())
    (folder / "df_labeled_train").write_bytes(b"")
    with pytest.raises(UserError, match="not a CSV file"):
        read_features(folder)
