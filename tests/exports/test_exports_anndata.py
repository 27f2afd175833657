"""AnnData: read back by anndata itself, which is not what wrote it."""

from pathlib import Path

import numpy as np
import pytest

from ctc_core.errors import UserError
from ctc_core.exports.names import Format, Which
from ctc_core.exports.write import export
from ctc_core.store import Store
from tests.mapped_store import CELLS, STRANGE

anndata = pytest.importorskip("anndata")
# The reader is older than the pandas it runs on here, and sets an option that pandas warns of.
pytestmark = pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning")


def test_anndata_finds_everything(store: Store, tmp_path: Path) -> None:
    out = tmp_path / "r1.h5ad"
    written = export(store, "R1", Format.H5AD, out, threshold=0.5)
    assert (written["cells"], written["obsm"]) == (CELLS, ["X_pca", "X_umap", "spatial"])
    found = anndata.read_h5ad(out)
    ids, vectors = store.vectors("R1", "encoder-of-tests")
    assert found.obs_names.tolist() == list(ids)
    assert found.var_names.tolist() == [f"vector_{i:03d}" for i in range(128)]
    np.testing.assert_array_equal(found.X, vectors)
    assert found.X.dtype == np.float32
    points = store.points(store.active_model("map").model_id, "R1")
    np.testing.assert_allclose(found.obsm["X_umap"], points[["x", "y"]].to_numpy(), rtol=1e-6)
    assert found.obsm["X_pca"].shape == (CELLS, 32)
    distance = np.linalg.norm(found.obsm["X_pca"] - found.obsm["X_pca"].mean(axis=0), axis=1)
    assert distance.argmax() == STRANGE
    xy = found.obs[["cartridge_x_um", "cartridge_y_um"]].to_numpy()
    np.testing.assert_array_equal(found.obsm["spatial"], xy)


def test_obs_is_the_cell_table(store: Store, tmp_path: Path) -> None:
    export(store, "R1", Format.H5AD, tmp_path / "r1.h5ad", threshold=0.5)
    found = anndata.read_h5ad(tmp_path / "r1.h5ad")
    assert found.obs.label.dtype == "category"
    assert found.obs.label.tolist()[:4] == ["ctc", "ctc", "non-ctc", "unsure"] and found.obs.label.isna().iloc[4]
    clusters = store.points(store.active_model("map").model_id, "R1").cluster
    assert found.obs.cluster.tolist() == ["background" if c == -1 else str(c) for c in clusters]
    scores = store.predictions("R1", store.active_model("classifier").model_id)
    np.testing.assert_array_equal(found.obs.p_ctc, scores.probability)
    assert found.obs.is_candidate.tolist() == (scores.probability >= 0.5).tolist()
    assert found.obs.readers.isna().tolist()[:5] == [False] * 4 + [True]
    assert found.uns["columns"]["diameter_um"] == "diameter of the circle of the same area [um]"
    assert found.obs.tags.dtype == "category" and found.obs.tags.isna().all()  # nobody has said any
    assert (found.uns["encoder_id"], found.uns["schema_version"]) == ("encoder-of-tests", 1)


def test_all_cartridges_and_none_of_the_cells(store: Store, tmp_path: Path) -> None:
    export(store, "all", Format.H5AD, tmp_path / "all.h5ad", threshold=0.5)
    found = anndata.read_h5ad(tmp_path / "all.h5ad")
    assert found.obs.cartridge_id.value_counts().to_dict() == {"E1": CELLS, "R1": CELLS, "T1": CELLS, "T2": CELLS}
    _, last = store.vectors("T2", "encoder-of-tests")
    np.testing.assert_array_equal(found[found.obs.cartridge_id == "T2"].X, last)
    export(store, "R1", Format.H5AD, tmp_path / "none.h5ad", threshold=2.0, which=Which.CANDIDATES)
    assert anndata.read_h5ad(tmp_path / "none.h5ad").shape == (0, 128)


def test_without_a_map_there_is_no_umap(unmapped_store: Path, tmp_path: Path) -> None:
    with Store.open(unmapped_store) as opened:
        assert export(opened, "R1", Format.H5AD, tmp_path / "r.h5ad", threshold=0.5)["obsm"] == ["X_pca", "spatial"]
    found = anndata.read_h5ad(tmp_path / "r.h5ad")
    assert found.obsm["X_pca"].shape == (CELLS, 32) and found.obs.cluster.isna().all()


def test_vectors_of_two_encoders_are_kept_apart(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = store.cartridges()
    table.loc[0, "encoder_id"] = "another"
    monkeypatch.setattr(store, "cartridges", lambda: table)
    with pytest.raises(UserError, match="different encoders \\(another, encoder-of-tests\\)"):
        export(store, "all", Format.H5AD, tmp_path / "all.h5ad", threshold=0.5)
    assert list(tmp_path.glob("*.h5ad")) == []
