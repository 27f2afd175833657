"""Crops in, vectors out. Importing this module does not import torch; the first `embed` does."""

from __future__ import annotations

import threading
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ctc_core.encoder.join import PREFIX, Join, read_join
from ctc_core.encoder.sizes import check_input_px
from ctc_core.errors import ModelError
from ctc_core.models import load_config, model_folder, model_id
from ctc_core.settings import Runtime
from ctc_core.types import EMBEDDING_DIM

if TYPE_CHECKING:
    from ctc_core._torch import nn
    from ctc_core.encoder.openvino import OpenVINOEncoder
    from ctc_core.int8 import Form


class Embedder:
    """One encoder: its identity at once, its network when first needed.

    Attributes:
        id: `<name>-<12 hex digits of the weights' hash>`; vectors of different ids are never compared.
        input_px: edge that crops are resized to.
    """

    def __init__(
        self, folder: Path, *, threads: int = 0, runtime: Runtime = Runtime.EXACT, form: Form | None = None
    ) -> None:
        """`folder`: a model folder; `threads`: of the network, torch's for the whole process (0: all cores); `form`: in
        integers, whether or not it would be chosen by itself.
        """
        config = load_config(folder)
        if config.get("kind") != "encoder":
            message = f"{folder}: a {config.get('kind')}, not an encoder. Choose another model in the settings."
            raise ModelError(message)
        self.id = model_id(folder)
        self.input_px = check_input_px(int(config.get("input_px", 0)))
        self.folder, self.threads, self.runtime, self._form = folder, threads, runtime, form
        self._network: nn.Module | None = None
        self._fast: OpenVINOEncoder | None = None
        self._loading = threading.Lock()

    @classmethod
    def load(
        cls, name_or_path: str, *, threads: int = 0, data_dir: Path | None = None, runtime: Runtime = Runtime.EXACT
    ) -> Embedder:
        """Encoder by name, shipped or of a data folder, or any by path.

        Raises:
            ModelError: there is none, it was changed, or it is no encoder.
        """
        return cls(model_folder(name_or_path, data_dir), threads=threads, runtime=runtime)

    def embed(self, crops: NDArray[np.uint8], batch: int = 256) -> NDArray[np.float32]:
        """(n, 3, 48, 48) uint8 DAPI/CK/CD45, stretched -> (n, 128) float32, not normalised to unit length.

        Deterministic; the batch size changes the last digits only (other order of sums). May be called from several
        threads at a time.

        Raises:
            ModelError: not such crops, or weights that do not fit the network.
        """
        tokens = self.class_tokens(crops, batch)
        return tokens if self.join is None else self.join(tokens, crops)

    def class_tokens(self, crops: NDArray[np.uint8], batch: int = 256) -> NDArray[np.float32]:
        """As `embed`, what the network alone says; the same where the encoder has no join."""
        if self.runtime is not Runtime.EXACT:
            return self._openvino.embed(crops)
        with self._loading:
            if self._network is None:
                self._network = load_network(self.folder)
        return run_network(self._network, crops, input_px=self.input_px, batch=batch, threads=self.threads)

    @cached_property
    def join(self) -> Join | None:
        """What makes vectors of class tokens and descriptors; None: class tokens are the vectors."""
        return read_join(self.folder)

    @property
    def precision(self) -> str:
        """`f32`, `bf16`, or `int8-` and the form's hash; loads nothing but the form's config."""
        if self.runtime is Runtime.EXACT:
            return "f32"
        from ctc_core.int8 import precision_of

        return precision_of(self.form)

    @cached_property
    def form(self) -> Form | None:
        """The form in integers that it is computed in, or None; looked for once, as the network is compiled once."""
        if self.runtime is not Runtime.OPENVINO or self._form:
            return self._form
        from ctc_core.encoder.openvino import recipe
        from ctc_core.int8 import usable

        (name,) = load_config(self.folder)["sha256"]
        return usable(self.folder / name, recipe(self.input_px))

    @property
    def _openvino(self) -> OpenVINOEncoder:
        with self._loading:
            if self._fast is None:
                from ctc_core.encoder.openvino import OpenVINOEncoder

                self._fast = OpenVINOEncoder(self.folder, self.input_px, threads=self.threads, form=self.form)
            return self._fast


def load_network(folder: Path) -> nn.Module:
    """The folder's network with its weights, in eval mode, without its join. Verifies the hash.

    Raises:
        ModelError: changed, or not weights of this network.
    """
    import safetensors.torch

    from ctc_core.encoder.network import build_network

    config: dict[str, Any] = load_config(folder)
    network = build_network()
    try:
        (name,) = config["sha256"]
        weights = safetensors.torch.load_file(folder / name)
        network.load_state_dict({name: value for name, value in weights.items() if not name.startswith(PREFIX)})
    except (RuntimeError, ValueError, safetensors.SafetensorError) as error:
        message = f"{folder}: not weights of {config.get('architecture')} ({error}). Restore the model folder."
        raise ModelError(message) from error
    return network.eval()


def run_network(
    network: nn.Module, crops: NDArray[np.uint8], *, input_px: int, batch: int = 256, threads: int = 0
) -> NDArray[np.float32]:
    """As `Embedder.embed`, with any network."""
    from ctc_core._torch import torch
    from ctc_core.encoder.crops import check_crops
    from ctc_core.encoder.preprocess import to_input

    check_crops(crops)
    if threads:
        torch.set_num_threads(threads)
    vectors = np.empty((len(crops), EMBEDDING_DIM), dtype=np.float32)
    with torch.inference_mode():
        for start in range(0, len(crops), batch):
            part = slice(start, start + batch)
            vectors[part] = network(to_input(crops[part].copy(), input_px)).numpy()  # torch warns of read-only arrays
    return vectors
