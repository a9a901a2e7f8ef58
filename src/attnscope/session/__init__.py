"""The dispatcher between pages and models: requests in, responses out, whatever carries the bytes."""

from attnscope.session.catalogue import ModelEntry
from attnscope.session.described import Example
from attnscope.session.held import HeldTrace
from attnscope.session.limits import Limits
from attnscope.session.model_like import ModelLike
from attnscope.session.session import Session

__all__ = ["Example", "HeldTrace", "Limits", "ModelEntry", "ModelLike", "Session"]
