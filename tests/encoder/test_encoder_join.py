import json

import numpy as np
import pytest
import safetensors.numpy
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from ctc_core.encoder import Embedder, data, join_training
from ctc_core.encoder.descriptors import N_DESCRIPTORS, descriptors
from ctc_core.encoder.embedder import load_network, run_network
from ctc_core.encoder.join import N_JOINED, RIDGE, Join, explained, joined, read_join
from ctc_core.encoder.join_training import join_encoder
from ctc_core.encoder.network import build_network
from ctc_core.errors import ModelError
from ctc_core.models import write_config
from ctc_core.simulate.pairs import Pairs

RNG = np.random.default_rng(0)


def random_crops(n):
    return RNG.integers(0, 256, (n, 3, 48, 48), dtype=np.uint8)


def write_encoder(folder, extra=()):
    folder.mkdir(parents=True)
    weights = {name: value.numpy() for name, value in build_network(seed=1).eval().state_dict().items()}
    safetensors.numpy.save_file(weights | dict(extra), folder / "weights.safetensors")
    config = {"kind": "encoder", "name": folder.name, "input_px": 48, "stages": [], "crops_seen": 10, "objects_seen": 5}
    write_config(folder, config, ["weights.safetensors"])
    return folder


def some_join():
    weight = RNG.normal(size=(128, N_JOINED)).astype(np.float32)
    return Join(weight, RNG.normal(size=128).astype(np.float32))


def test_class_token_comes_first_then_the_descriptors():
    tokens, crops = RNG.normal(size=(3, 128)).astype(np.float32), random_crops(3)
    found = joined(tokens, crops)
    assert (found.shape, found.dtype, N_JOINED) == ((3, 128 + N_DESCRIPTORS), np.float32, 266)
    np.testing.assert_array_equal(found, np.hstack([tokens, descriptors(crops)]))


def test_a_join_is_linear_and_goes_block_by_block(monkeypatch):
    join, tokens, crops = some_join(), RNG.normal(size=(5, 128)).astype(np.float32), random_crops(5)
    expected = np.hstack([tokens, descriptors(crops)]) @ join.weight.T + join.bias
    monkeypatch.setattr("ctc_core.encoder.join.BLOCK", 2)
    np.testing.assert_allclose(join(tokens, crops), expected, rtol=1e-5, atol=1e-4)
    assert join(tokens[:0], crops[:0]).shape == (0, 128)


@pytest.mark.parametrize("n", [42, 58, 64])
def test_the_number_of_threads_changes_no_digit(n):
    """Machines of a cluster have different numbers of cores, and BLAS would sum in another order."""
    join, tokens, crops = some_join(), RNG.normal(size=(n, 128)).astype(np.float32), random_crops(n)
    with threadpool_limits(1):
        alone = join(tokens, crops)
    with threadpool_limits(2):
        np.testing.assert_array_equal(join(tokens, crops), alone)


def test_the_fit_is_scikit_learns_ridge_of_standardised_columns():
    known = (RNG.normal(size=(400, N_JOINED)) * RNG.uniform(1, 9, N_JOINED) + 3).astype(np.float32)
    wanted = known[:, :128] @ RNG.normal(size=(128, 128)) + RNG.normal(size=(400, 128))
    scaled = StandardScaler().fit_transform(known.astype(np.float64))
    expected = Ridge(alpha=RIDGE * len(known)).fit(scaled, wanted).predict(scaled)
    join = Join.fit(known, wanted)
    np.testing.assert_allclose(known @ join.weight.T + join.bias, expected, rtol=5e-3, atol=0.2)


def test_a_constant_column_is_left_alone():
    known = RNG.normal(size=(300, N_JOINED)).astype(np.float32)
    known[:, 7] = 0.25
    join = Join.fit(known, RNG.normal(size=(300, 128)))
    assert np.isfinite(join.weight).all()
    np.testing.assert_allclose(join.weight[:, 7], 0, atol=1e-6)


def test_principal_components_of_standardised_columns_the_token_at_half_weight():
    few = RNG.normal(size=(600, 12)) * 0.7 ** np.arange(12)  # variances apart, so that axes are certain
    known = (few @ RNG.normal(size=(12, N_JOINED)) * RNG.uniform(1, 9, N_JOINED) + 3).astype(np.float32)
    scaled = StandardScaler().fit_transform(known.astype(np.float64))
    scaled[:, :128] /= 2
    expected = PCA(6).fit_transform(scaled)
    join = Join.principal(known)
    assert join.weight.shape == (128, N_JOINED)
    found = known @ join.weight[:6].T + join.bias[:6]
    np.testing.assert_allclose(np.abs(found), np.abs(expected), rtol=0.01, atol=0.05)


def test_explained_is_one_minus_the_share_of_the_error():
    wanted = np.array([[0.0, 0], [2, 4]])
    assert explained(np.array([[1.0, 0], [2, 4]], np.float32), wanted) == pytest.approx(0.9)


def test_an_encoder_with_a_join_embeds_through_it(tmp_path):
    join, crops = some_join(), random_crops(3)
    folder = write_encoder(tmp_path / "joined", join.tensors())
    embedder = Embedder.load(str(folder))
    tokens = run_network(build_network(seed=1).eval(), crops, input_px=48)
    np.testing.assert_allclose(embedder.class_tokens(crops), tokens, atol=1e-6)
    expected = np.hstack([tokens, descriptors(crops)]) @ join.weight.T + join.bias
    np.testing.assert_allclose(embedder.embed(crops), expected, rtol=1e-4, atol=1e-3)
    assert not any(name.startswith("join") for name in load_network(folder).state_dict())


def test_without_a_join_the_class_token_is_the_vector(tmp_path):
    folder, crops = write_encoder(tmp_path / "plain"), random_crops(2)
    assert read_join(folder) is None
    embedder = Embedder.load(str(folder))
    np.testing.assert_array_equal(embedder.embed(crops), embedder.class_tokens(crops))


@pytest.mark.parametrize("left", [("join.weight",), ("join.bias",)])
def test_half_a_join_is_refused(tmp_path, left):
    tensors = {name: value for name, value in some_join().tensors().items() if name in left}
    with pytest.raises(ModelError, match=r"half: a join of .*Restore"):
        read_join(write_encoder(tmp_path / "half", tensors))


def test_another_shape_is_refused(tmp_path):
    tensors = {"join.weight": np.zeros((128, 9), np.float32), "join.bias": np.zeros(128, np.float32)}
    with pytest.raises(ModelError, match=r"\(128, 9\)"):
        read_join(write_encoder(tmp_path / "odd", tensors))


@pytest.fixture
def small_chunks(monkeypatch):
    """Chunks of 24 random objects; the clean photograph is the crop itself."""
    monkeypatch.setattr(data, "CHUNK", 24)

    def chunk(index, *, seed):
        crops = np.random.default_rng([seed, index]).integers(0, 256, (24, 3, 48, 48), dtype=np.uint8)
        return Pairs(np.stack([crops, crops], 1), crops)

    monkeypatch.setattr(data, "training_chunk", chunk)


def test_joining_fits_to_what_clean_photographs_show(tmp_path, small_chunks):
    start = write_encoder(tmp_path / "start")
    out = join_encoder(str(start), tmp_path / "out", objects=50, seed=3)
    config = json.loads((out / "config.json").read_text())
    about = config.pop("join")
    assert (about["objects"], about["seed"], about["ridge"], about["whiten"]) == (48, 3, RIDGE, join_training.WHITEN)
    assert about["explained"] < 0.9  # the held-back chunk is another
    assert (config["name"], config["objects_seen"], config["crops_seen"]) == ("out", 5 + 48, 10 + 96)
    embedder, crops = Embedder.load(str(out)), data.training_chunk(0, seed=3).clean
    wanted = join_training.Targets.fit(crops, join_training.WHITEN, 128).of(crops).numpy()
    assert explained(embedder.embed(crops), wanted) > 0.5
    np.testing.assert_array_equal(embedder.class_tokens(crops[:4]), Embedder.load(str(start)).class_tokens(crops[:4]))


def test_too_few_objects_and_a_second_join_are_refused(tmp_path, small_chunks):
    start = write_encoder(tmp_path / "start")
    with pytest.raises(ModelError, match="47 objects, at least 48"):
        join_encoder(str(start), tmp_path / "out", objects=47, seed=0)
    out = join_encoder(str(start), tmp_path / "out", objects=48, seed=0)
    with pytest.raises(ModelError, match="it has a join already"):
        join_encoder(str(out), tmp_path / "again", objects=48, seed=0)
