"""The published encoder: a state dict named as timm 0.5.4 names it, against a forward pass written from that version.

Nothing of today's timm is used to make the file or the expected vectors.
"""

import json
import math
import os
import pickle
import zipfile
from collections import OrderedDict

import numpy as np
import pytest

from ctc_core._torch import nn, torch
from ctc_core.cli import main
from ctc_core.encoder import Embedder, published
from ctc_core.encoder.network import build_network
from ctc_core.errors import ModelError
from ctc_core.models import load_config, sha256

F = nn.functional
DIM, HEADS, DEPTH, HIDDEN = 128, 4, 12, 512
HEAD = ["head.last_layer.weight_g", "head.last_layer.weight_v", "head.mlp.0.bias", "head.mlp.0.weight"]

# ---- the file --------------------------------------------------------------------------------------------------------


def norm(name):
    return {f"{name}.weight": (DIM,), f"{name}.bias": (DIM,)}


def batch_norm(name, channels):
    parts = ("weight", "bias", "running_mean", "running_var")
    return {f"{name}.{part}": (channels,) for part in parts} | {f"{name}.num_batches_tracked": ()}


def linear(name, out, into):
    return {f"{name}.weight": (out, into), f"{name}.bias": (out,)}


def depthwise(name):
    return {f"{name}.weight": (DIM, 1, 3, 3), f"{name}.bias": (DIM,)}


def mlp(name):
    return linear(f"{name}.fc1", HIDDEN, DIM) | linear(f"{name}.fc2", DIM, HIDDEN)


def stem():
    shapes = {"cls_token": (1, 1, DIM)}
    for i, (into, out) in zip((0, 2, 4), ((3, 32), (32, 64), (64, DIM)), strict=True):
        shapes |= {f"patch_embed.proj.{i}.0.weight": (out, into, 3, 3)} | batch_norm(f"patch_embed.proj.{i}.1", out)
    return shapes | {"pos_embed.token_projection.weight": (DIM, 64, 1, 1), "pos_embed.token_projection.bias": (DIM,)}


def block(name):
    shapes = {f"{name}.gamma{i}": (DIM,) for i in (1, 2, 3)} | {f"{name}.attn.temperature": (HEADS, 1, 1)}
    for i in (1, 2, 3):
        shapes |= norm(f"{name}.norm{i}")
    shapes |= linear(f"{name}.attn.qkv", 3 * DIM, DIM) | linear(f"{name}.attn.proj", DIM, DIM)
    shapes |= depthwise(f"{name}.local_mp.conv1") | batch_norm(f"{name}.local_mp.bn", DIM)
    return shapes | depthwise(f"{name}.local_mp.conv2") | mlp(f"{name}.mlp")


def class_block(name):
    shapes = {f"{name}.gamma{i}": (DIM,) for i in (1, 2)} | norm(f"{name}.norm1") | norm(f"{name}.norm2")
    for part in ("q", "k", "v", "proj"):
        shapes |= linear(f"{name}.attn.{part}", DIM, DIM)
    return shapes | mlp(f"{name}.mlp")


def shapes_of_timm_0_5_4():
    """Names and shapes of `timm.create_model("xcit_nano_12_p8_224_dist", num_classes=0)`, timm 0.5.4."""
    shapes = stem() | norm("norm")
    for i in range(DEPTH):
        shapes |= block(f"blocks.{i}")
    return shapes | class_block("cls_attn_blocks.0") | class_block("cls_attn_blocks.1")


def value(name, shape, generator):
    """Numbers of the size that trained weights have, none at its start value."""
    if name.endswith("num_batches_tracked"):
        return torch.tensor(30_000)
    noise = torch.randn(shape, generator=generator)
    if name.endswith("running_var"):
        return 0.5 + noise.abs()
    if ".gamma" in name or name.endswith("temperature"):
        return 1 + 0.3 * noise
    if len(shape) == 1:  # norms' weights lie about 1, biases about 0
        return (1.0 if "weight" in name else 0.0) + 0.3 * noise
    return noise / math.sqrt(math.prod(shape[1:]))


@pytest.fixture(scope="module")
def weights():
    generator = torch.Generator().manual_seed(0)
    return {name: value(name, shape, generator) for name, shape in shapes_of_timm_0_5_4().items()}


@pytest.fixture(scope="module")
def state(weights):
    """What the file holds: DINO's teacher."""
    return OrderedDict(
        {f"backbone.{name}": tensor for name, tensor in weights.items()} | dict.fromkeys(HEAD, torch.ones(2))
    )


@pytest.fixture(scope="module")
def file(state, tmp_path_factory):
    path = tmp_path_factory.mktemp("published") / "ctc_dino.pt"
    torch.save(state, path)
    return path


@pytest.fixture(scope="module")
def data(file, tmp_path_factory):
    """A data folder with the imported encoder."""
    data = tmp_path_factory.mktemp("data")
    published.import_encoder(file, data / "models" / "ctc-dino")
    return data


# ---- the forward pass of timm 0.5.4 ----------------------------------------------------------------------------------


class Reference:
    """timm 0.5.4's XCiT, in eval mode, as functions of a state dict."""

    def __init__(self, weights):
        self.weights = weights

    def __call__(self, x):
        tokens, height, width = self.patches(x)
        tokens = tokens + self.position_code(height, width)
        for i in range(DEPTH):
            tokens = self.block(f"blocks.{i}", tokens, height, width)
        tokens = torch.cat([self.weights["cls_token"].expand(len(tokens), -1, -1), tokens], dim=1)
        for i in range(2):
            tokens = self.class_block(f"cls_attn_blocks.{i}", tokens)
        return self.norm("norm", tokens)[:, 0]

    def of(self, name, *parts):
        return [self.weights[f"{name}.{part}"] for part in parts]

    def norm(self, name, x):
        return F.layer_norm(x, (DIM,), *self.of(name, "weight", "bias"), eps=1e-6)

    def batch_norm(self, name, x):
        mean, variance, weight, bias = self.of(name, "running_mean", "running_var", "weight", "bias")
        return F.batch_norm(x, mean, variance, weight, bias)

    def linear(self, name, x):
        return F.linear(x, *self.of(name, "weight", "bias"))

    def mlp(self, name, x):
        return self.linear(f"{name}.fc2", F.gelu(self.linear(f"{name}.fc1", x)))

    def patches(self, x):
        for i in (0, 2, 4):
            x = F.conv2d(x, self.weights[f"patch_embed.proj.{i}.0.weight"], stride=2, padding=1)
            x = self.batch_norm(f"patch_embed.proj.{i}.1", x)
            x = F.gelu(x) if i < 4 else x
        return x.flatten(2).transpose(1, 2), *x.shape[2:]

    def position_code(self, height, width):
        """Sines and cosines of the relative row, then of the relative column, 32 of each."""
        rates = 10_000 ** (2 * (torch.arange(32) // 2) / 32)

        def waves(n):
            angles = 2 * math.pi * torch.arange(1, n + 1)[:, None] / (n + 1e-6) / rates
            return torch.stack([angles[:, 0::2].sin(), angles[:, 1::2].cos()], dim=2).flatten(1)

        rows = waves(height)[:, None].expand(-1, width, -1)
        columns = waves(width)[None].expand(height, -1, -1)
        code = torch.cat([rows, columns], dim=2).flatten(0, 1)
        weight, bias = self.of("pos_embed.token_projection", "weight", "bias")
        return F.linear(code, weight[:, :, 0, 0], bias)

    def block(self, name, x, height, width):
        gamma1, gamma2, gamma3 = self.of(name, "gamma1", "gamma2", "gamma3")
        x = x + gamma1 * self.cross_covariance(f"{name}.attn", self.norm(f"{name}.norm1", x))
        x = x + gamma3 * self.local(f"{name}.local_mp", self.norm(f"{name}.norm3", x), height, width)
        return x + gamma2 * self.mlp(f"{name}.mlp", self.norm(f"{name}.norm2", x))

    def cross_covariance(self, name, x):
        """Attention between channels, each scaled to length 1 over the tokens."""
        qkv = self.linear(f"{name}.qkv", x).unflatten(2, (3, HEADS, DIM // HEADS))
        q, k, v = (part.permute(0, 2, 3, 1) for part in qkv.unbind(2))
        q, k = (part / part.norm(dim=-1, keepdim=True) for part in (q, k))
        attention = (q @ k.transpose(2, 3) * self.weights[f"{name}.temperature"]).softmax(dim=-1)
        return self.linear(f"{name}.proj", (attention @ v).flatten(1, 2).transpose(1, 2))

    def local(self, name, x, height, width):
        image = x.transpose(1, 2).unflatten(2, (height, width))
        image = F.conv2d(image, *self.of(f"{name}.conv1", "weight", "bias"), padding=1, groups=DIM)
        image = self.batch_norm(f"{name}.bn", F.gelu(image))
        image = F.conv2d(image, *self.of(f"{name}.conv2", "weight", "bias"), padding=1, groups=DIM)
        return image.flatten(2).transpose(1, 2)

    def class_block(self, name, x):
        """Only the class token attends and is normalised again; the other tokens are twice themselves, normalised."""
        gamma1, gamma2 = self.of(name, "gamma1", "gamma2")
        normal = self.norm(f"{name}.norm1", x)
        x = x + gamma1 * torch.cat([self.class_attention(f"{name}.attn", normal), normal[:, 1:]], dim=1)
        token, others = self.norm(f"{name}.norm2", x[:, :1]), x[:, 1:]
        return torch.cat([token + gamma2 * self.mlp(f"{name}.mlp", token), 2 * others], dim=1)

    def class_attention(self, name, x):
        q = self.linear(f"{name}.q", x[:, :1]) / math.sqrt(DIM / HEADS)
        q, k, v = (
            t.unflatten(2, (HEADS, -1)).transpose(1, 2) for t in (q, *(self.linear(f"{name}.{p}", x) for p in "kv"))
        )
        return self.linear(f"{name}.proj", ((q @ k.transpose(2, 3)).softmax(-1) @ v).transpose(1, 2).flatten(2))


def published_input(crops):
    """48 px uint8 -> 224 px in [-1, 1] as published: resized in 8 bits (pixel centres at halves), / 255, * 2 - 1."""
    place = np.clip((np.arange(224) + 0.5) * 48 / 224 - 0.5, 0, 47)
    low = np.minimum(np.floor(place).astype(int), 46)
    weight = np.zeros((224, 48))
    weight[np.arange(224), low], weight[np.arange(224), low + 1] = 1 - (place - low), place - low
    resized = np.rint(weight @ crops.astype(float) @ weight.T)
    return torch.from_numpy(resized / 255 * 2 - 1).float()


@pytest.fixture(scope="module")
def crops():
    """A smooth blob, pure noise, and a saturated square on black."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:48, :48]
    blob = [200 * np.exp(-((y - 22) ** 2 + (x - 26) ** 2) / (2 * width**2)) + 20 for width in (4, 7, 12)]
    square = np.zeros((3, 48, 48))
    square[:2, 15:33, 18:30] = 255
    return np.stack([blob, rng.integers(0, 256, (3, 48, 48)), square]).astype(np.uint8)


@pytest.fixture(scope="module")
def expected(weights, crops):
    with torch.inference_mode():
        return Reference(weights)(published_input(crops)).numpy()


def cosines(a, b):
    return (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


def test_vectors_are_those_of_timm_0_5_4(data, crops, expected):
    vectors = Embedder.load("ctc-dino", data_dir=data, threads=1).embed(crops)
    assert cosines(vectors, expected).min() >= 0.9999
    np.testing.assert_allclose(vectors, expected, atol=0.05)
    assert cosines(expected[:1], expected[1:]).max() < 0.999  # other cells are not as close


@pytest.mark.parametrize(
    ("one", "other"),
    [("blocks.5.gamma2", "blocks.5.gamma3"), ("cls_attn_blocks.1.attn.q.weight", "cls_attn_blocks.1.attn.k.weight")],
)
def test_the_comparison_would_notice_swapped_names(weights, crops, expected, one, other):
    swapped = weights | {one: weights[other], other: weights[one]}
    with torch.inference_mode():
        vectors = Reference(swapped)(published_input(crops[:1])).numpy()
    assert cosines(vectors, expected[:1]).max() < 0.9999


# ---- the folder ------------------------------------------------------------------------------------------------------


def test_the_folder_says_what_it_is(data, file):
    folder = data / "models" / "ctc-dino"
    assert load_config(folder) == {
        "kind": "encoder",
        "name": "ctc-dino",
        "architecture": "xcit_nano_12_p8_224",
        "input_px": 224,
        "method": "DINO",
        "source": {"file": "ctc_dino.pt", "sha256": sha256(file), "left": HEAD},
        "sha256": {"weights.safetensors": sha256(folder / "weights.safetensors")},
    }
    card = (folder / "README.md").read_text()
    for text in (sha256(file), sha256(folder / "weights.safetensors"), "no patient data", "## Licence", "224 px"):
        assert text in card
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "config.json", "weights.safetensors"]
    assert [path.name for path in folder.parent.iterdir()] == ["ctc-dino"]


def command(capsys, *words):
    with pytest.raises(SystemExit) as caught:
        main([str(word) for word in words])
    return caught.value.code or 0, *capsys.readouterr()


def test_the_command_imports_into_the_data_folder(capsys, file, tmp_path):
    code, out, _ = command(capsys, "encoder", "import", file, "--data", tmp_path, "--json")
    result = json.loads(out)
    folder = tmp_path / "models" / "ctc-dino"
    embedder = Embedder.load("ctc-dino", data_dir=tmp_path)
    assert (code, embedder.input_px) == (0, 224)
    assert result == {"model": str(folder), "encoder_id": embedder.id, "tensors": 383, "left": HEAD}
    code, _, message = command(capsys, "encoder", "import", file, "--data", tmp_path)
    assert code == 2
    assert message.endswith("ctc-dino: there is something already. Give another folder, or remove this one.\n")


def test_classes_behind_the_encoder_are_left(state, tmp_path):
    classes = {"backbone.head.weight": torch.ones(1000, 128), "backbone.head.bias": torch.ones(1000)}
    torch.save(state | classes, tmp_path / "x.pt")
    result = published.import_encoder(tmp_path / "x.pt", tmp_path / "m")
    assert (result["tensors"], result["left"]) == (383, [*sorted(classes), *HEAD])


# ---- refusals --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def network():
    return build_network(seed=0)


def test_names_and_shapes_are_those_of_the_installed_timm(network):
    assert {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()} == shapes_of_timm_0_5_4()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"norm.bias": None}, r"missing: backbone\.norm\.bias\."),
        ({"pos_embeder.x": torch.ones(1)}, r"unexpected: backbone\.pos_embeder\.x\."),
        ({"cls_token": torch.ones(1, 128)}, r"backbone\.cls_token: shape \(1, 128\), not \(1, 1, 128\)"),
        ({"norm.bias": torch.ones(128, dtype=torch.int64)}, r"norm\.bias: torch\.int64, not torch\.float32"),
        ({"norm.bias": torch.full((128,), math.nan)}, r"norm\.bias: not finite"),
        ({"norm.bias": [0.0] * 128}, r"norm\.bias: not a plain tensor"),
        ({"norm.bias": None, "x": 3}, r"missing: backbone\.norm\.bias; unexpected: backbone\.x\. Give"),
    ],
)
def test_every_name_shape_and_type_is_checked(network, weights, changes, message):
    state = {name: tensor for name, tensor in (weights | changes).items() if tensor is not None}
    with pytest.raises(ModelError, match=message):
        published.fill(network, state, "x.pt")


def test_a_file_without_a_backbone_lists_what_is_missing(tmp_path):
    torch.save({"cls_token": torch.ones(1, 1, 128)}, tmp_path / "x.pt")
    with pytest.raises(ModelError, match=r"x\.pt: not the weights of .* missing: backbone\.cls_token; missing: "):
        published.import_encoder(tmp_path / "x.pt", tmp_path / "m")
    assert [path.name for path in tmp_path.iterdir()] == ["x.pt"]


class Planted:
    """Pickled, it makes a folder when it is unpickled."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize("save", [torch.save, lambda value, path: path.write_bytes(pickle.dumps(value))])
def test_planted_code_is_refused_and_never_run(capsys, state, tmp_path, save):
    save({**state, "head.x": Planted(tmp_path / "ran")}, tmp_path / "x.pt")
    code, _, message = command(capsys, "encoder", "import", tmp_path / "x.pt", tmp_path / "m")
    assert code == 2
    assert "not a plain PyTorch state dict" in message and "holding what could run code. It is not loaded" in message
    assert "weights_only" not in message and "Traceback" not in message
    assert [path.name for path in tmp_path.iterdir()] == ["x.pt"]
    call, arguments = Planted(tmp_path / "ran").__reduce__()
    call(*arguments)
    assert (tmp_path / "ran").exists()  # it would have worked


@pytest.mark.parametrize(
    "spoil",
    [
        lambda content: b"",
        lambda content: content[: len(content) // 2],
        lambda content: content[:200_000] + bytes([content[200_000] ^ 1]) + content[200_001:],
    ],
    ids=["empty", "cut", "one bit"],
)
def test_a_damaged_file_is_refused(file, tmp_path, spoil):
    (tmp_path / "x.pt").write_bytes(spoil(file.read_bytes()))
    with pytest.raises(ModelError, match=r"x\.pt: not a plain PyTorch state dict"):
        published.read_state_dict(tmp_path / "x.pt")


def test_a_file_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(published, "MAX_BYTES", 2**21)
    with zipfile.ZipFile(tmp_path / "x.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data/0", bytes(3 * 2**20))
    assert (tmp_path / "x.pt").stat().st_size < 2**14
    with pytest.raises(ModelError, match=r"x\.pt: 3 MiB unpacked, more than any such encoder"):
        published.read_state_dict(tmp_path / "x.pt")


@pytest.mark.parametrize("value", [torch.ones(3), [torch.ones(3)], {3: torch.ones(3)}])
def test_something_else_than_a_state_dict_is_refused(tmp_path, value):
    torch.save(value, tmp_path / "x.pt")
    with pytest.raises(ModelError, match=r"x\.pt: holds a (Tensor|list|dict), not a state dict"):
        published.read_state_dict(tmp_path / "x.pt")


def test_a_pipe_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "x.pt")
    with pytest.raises(ModelError, match=r"x\.pt: no such file"):
        published.read_state_dict(tmp_path / "x.pt")
