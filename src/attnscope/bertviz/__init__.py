"""BertViz's calls, with BertViz's signatures: change `bertviz` to `attnscope.bertviz` in an import, and go on.

    from attnscope.bertviz import head_view, model_view
    from attnscope.bertviz.neuron_view import show

docs/how-to/from-bertviz.md tells what is the same and what differs. Written from BertViz's documented behavior (Vig 2019,
version 1.4.1); it shares no code with it.
"""

from attnscope.bertviz import neuron_view
from attnscope.bertviz.head_view import head_view
from attnscope.bertviz.model_view import model_view

__all__ = ["head_view", "model_view", "neuron_view"]
