"""Runs a pass on a structural clone and keeps what its attention was computed from."""

from attnscope.capture.call_sites import LEFT_OUT, Place, Places
from attnscope.capture.clone import structural_clone
from attnscope.capture.prepare import prepared
from attnscope.capture.recorder import Capture, Recorder
from attnscope.capture.run import capture_pass

__all__ = ["LEFT_OUT", "Capture", "Place", "Places", "Recorder", "capture_pass", "prepared", "structural_clone"]
