"""The dispatcher between pages and models: requests in, responses out, over any transport."""

from attnscope.session.limits import Limits
from attnscope.session.messages.trace import Example
from attnscope.session.model_catalog import ModelEntry
from attnscope.session.protocols import ModelLike
from attnscope.session.session import Session
from attnscope.session.trace_store import InputText, StoredTrace

__all__ = ["Example", "InputText", "Limits", "ModelEntry", "ModelLike", "Session", "StoredTrace"]
