"""The exact mathematics of attention on q, k, v and a mask: scores, weights and outputs of any rows, nothing N×N kept."""

from attnscope.attention.bias import Bias
from attnscope.attention.mask import Mask
from attnscope.attention.overrides import Overrides, joined
from attnscope.attention.record import LayerRecord, QKRecord, Tile, WeightsRecord

__all__ = ["Bias", "LayerRecord", "Mask", "Overrides", "QKRecord", "Tile", "WeightsRecord", "joined"]
