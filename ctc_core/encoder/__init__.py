"""The encoder: XCiT nano-12/p8, trained by self-distillation (DINO). 48 x 48 crops in, 128 numbers out.

Importing this package is cheap: torch is loaded when a network is first needed. Training is `encoder.train.train`,
measuring `encoder.evaluate.evaluate`.
"""

from ctc_core.encoder.embedder import Embedder

__all__ = ["Embedder"]
