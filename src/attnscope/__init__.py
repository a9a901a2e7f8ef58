"""An attention microscope for every Transformer.

    model = attnscope.load("smollm2")
    trace = model.trace("The quick, brown fox jumps over the lazy")
    trace.attention(layer=5, head=3)        # [query, key]

Names are imported when they are first used, so that `attnscope --help` need not wait for torch.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from attnscope.display import display_with, export_with

if TYPE_CHECKING:
    from attnscope import analysis, bertviz, edits
    from attnscope.errors import AttnscopeError
    from attnscope.figures import figure
    from attnscope.model.load import load
    from attnscope.model.model import Model
    from attnscope.model.open_trace import open  # noqa: A004 - the public name is attnscope.open
    from attnscope.offline import export
    from attnscope.trace import Trace
    from attnscope.widget.show import show

_HOME = {
    "AttnscopeError": "attnscope.errors",
    "Model": "attnscope.model.model",
    "Trace": "attnscope.trace",
    "analysis": "attnscope.analysis",
    "bertviz": "attnscope.bertviz",
    "edits": "attnscope.edits",
    "export": "attnscope.offline",
    "figure": "attnscope.figures",
    "load": "attnscope.model.load",
    "open": "attnscope.model.open_trace",
    "show": "attnscope.widget.show",
}

__all__ = [
    "AttnscopeError",
    "Model",
    "Trace",
    "analysis",
    "bertviz",
    "edits",
    "export",
    "figure",
    "load",
    "open",
    "show",
]
__version__ = version("attnscope")


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'attnscope' has no attribute {name!r}")
    module = import_module(_HOME[name])
    value = module if _HOME[name] == f"attnscope.{name}" else getattr(module, name)
    globals()[name] = value
    return value


def _widget_of(shown: Any) -> Any:
    return __getattr__("show")(shown)


def _page_of(trace: Any, **options: Any) -> str:
    return import_module("attnscope.offline").page(trace, **options)


display_with(_widget_of)
export_with(_page_of)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
