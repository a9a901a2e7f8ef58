"""One forward pass as one object: tokens, the attention of every layer, and what was checked about it."""

from attnscope.trace.certificate import Certificate, LayerCertificate
from attnscope.trace.trace import LogitsAt, Trace

__all__ = ["Certificate", "LayerCertificate", "LogitsAt", "Trace"]
