"""Run a forward pass on a structural clone and record the inputs of its attention."""

from attnscope.capture.attention_function import NO_PREFIX_EDITS, no_single_weights
from attnscope.capture.call_sites import NOT_SHOWN, Place, Places
from attnscope.capture.clone import standalone, structural_clone
from attnscope.capture.clone_pool import ClonePool
from attnscope.capture.pass_options import CACHES, accepted, forward_parameters, pass_options
from attnscope.capture.prepare import prepared
from attnscope.capture.recorder import Capture, Recorder
from attnscope.capture.replaced_methods import replaced_forward
from attnscope.capture.run import (
    CapturedPass,
    capture,
    capture_on,
    capture_rows,
    capturing,
    prepared_for_capture,
    run_untouched,
)
from attnscope.capture.tap import Tap
from attnscope.capture.virtual_tokens import VirtualTokens, virtual_tokens

__all__ = [
    "CACHES",
    "NOT_SHOWN",
    "NO_PREFIX_EDITS",
    "Capture",
    "CapturedPass",
    "ClonePool",
    "Place",
    "Places",
    "Recorder",
    "Tap",
    "VirtualTokens",
    "accepted",
    "capture",
    "capture_on",
    "capture_rows",
    "capturing",
    "forward_parameters",
    "no_single_weights",
    "pass_options",
    "prepared",
    "prepared_for_capture",
    "replaced_forward",
    "run_untouched",
    "standalone",
    "structural_clone",
    "virtual_tokens",
]
