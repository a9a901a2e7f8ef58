"""One forward pass as one object: tokens, the attention of every layer, and what was checked about it."""

from attnscope.trace.certificate import Certificate, LayerCertificate
from attnscope.trace.trace import Trace

__all__ = ["Certificate", "LayerCertificate", "Trace"]
