"""`AttentionWidget`: the page in a notebook's cell. Its selection is traits; its data are custom messages."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import anywidget
import traitlets as t
from IPython.display import display

from attnscope.display import exporter, in_notebook
from attnscope.errors import InputError
from attnscope.model.model import Model
from attnscope.session import HeldTrace, ModelEntry, Session
from attnscope.trace import Trace
from attnscope.widget.picture import picture, picture_html
from attnscope.widget.requests import Requests
from attnscope.widget.selection import Selectable

_MODULE = Path(__file__).resolve().parent.parent / "static" / "widget.js"


class _Checked(t.TraitType[Any, Any]):
    """A trait that its validator alone checks, None included."""


class AttentionWidget(anywidget.AnyWidget):
    """A trace, or a model with a box for a prompt, in a notebook's cell.

    The traits are what is selected, for reading, setting and `observe`: a click moves them, and setting them moves the
    page. They count from 0. Raises `InputError` for a selection that the trace does not have; it then stays as it was.
    """

    _esm = t.Unicode().tag(sync=True)

    view = t.Unicode("model", help="The view one is in: model, head or neuron.").tag(sync=True)
    stack = t.Unicode("", help="encoder, decoder or cross.").tag(sync=True)
    layer = _Checked(0, help="The layer.").tag(sync=True)
    heads = _Checked(help="The heads that are on, ascending; never none, as long as the layer has any.").tag(sync=True)
    head = t.Any(None, help="The head whose neurons are shown; None before there is a trace.").tag(sync=True)
    token = t.Any(None, help="The index of the selected query token, or None. Also takes words.").tag(sync=True)
    neuron = t.Any(None, help="The dimension that is marked, or None.").tag(sync=True)
    height = t.Int(640, min=240, help="Height of the cell's page, CSS pixels.").tag(sync=True)

    _key = t.Unicode(help="What the saved picture of this widget is found by.").tag(sync=True)

    _requests: Requests | None = None

    def __init__(self, shown: Trace | Model, **selected: Any) -> None:
        if isinstance(shown, Trace):
            self._trace: Trace | None = shown
            self._session = Session(traces=[HeldTrace.alone(shown)], exporter=exporter())
        elif isinstance(shown, Model):
            self._trace = None
            self._session = Session([ModelEntry.loaded(shown)], exporter=exporter())
        else:
            raise InputError(
                f"`show` takes a Trace or a Model; got {type(shown).__name__}. Wrap a transformers model as "
                "attnscope.Model(model, tokenizer)."
            )
        self._requests = Requests(self._session, self._post, on_trace=self._traced)
        self._title = repr(shown)
        super().__init__(_key=uuid.uuid4().hex, **selected)
        self.on_msg(self._receive)

    @property
    def trace(self) -> Trace | None:
        """The trace on show; of a model the one that was run last, or None."""
        return self._trace

    def close(self) -> None:
        """Take the widget from every page, stop its work and let go of its traces."""
        if self._requests is not None:
            self._requests.close()
        self._trace = None
        super().close()

    def __repr__(self) -> str:
        return f"<AttentionWidget of {self._title}>"

    def _ipython_display_(self) -> None:
        """A picture for the saved notebook, which the page hides as soon as it lives, then the page."""
        if not in_notebook():
            raise NotImplementedError  # IPython then shows the text
        svg = self._picture()
        if svg is not None:
            alt = f"A picture of {self._title} from when this cell ran."
            html = picture_html(svg, key=self._key, alt=alt)
            display({"text/html": html, "text/plain": alt}, raw=True)
        made = super()._repr_mimebundle_()
        if made is not None:
            bundle, metadata = made
            display({**bundle, "text/plain": repr(self)}, metadata=metadata, raw=True)

    def _repr_mimebundle_(self, **options: Any) -> Any:
        made = super()._repr_mimebundle_(**options)
        svg = None if made is None else self._picture()
        if made is None or svg is None:
            return made
        bundle, metadata = made
        return {**bundle, "text/plain": repr(self), "image/svg+xml": svg}, metadata

    def _picture(self) -> str | None:
        if self._trace is None:
            return None
        return picture(self._trace, self.stack, self.layer, self.heads, title=_title_of(self._trace))

    @property
    def _selectable(self) -> Selectable:
        return Selectable(self._trace)

    @t.default("_esm")
    def _page(self) -> str:
        try:
            return _MODULE.read_text(encoding="utf-8")
        except FileNotFoundError:
            raise InputError(
                "This copy of attnscope has no page in it: run `make setup` in a checkout, or install it again."
            ) from None

    @t.default("stack")
    def _first_stack(self) -> str:
        return self._selectable.stack(None)

    @t.default("heads")
    def _all_heads(self) -> list[int]:
        return self._selectable.heads(None, self.stack, self.layer)

    @t.default("head")
    def _first_head(self) -> int | None:
        return next(iter(self.heads), None)

    @t.validate("view")
    def _check_view(self, proposal: t.Bunch) -> str:
        return self._selectable.view(proposal.value)

    @t.validate("stack")
    def _check_stack(self, proposal: t.Bunch) -> str:
        return self._selectable.stack(proposal.value)

    @t.validate("layer")
    def _check_layer(self, proposal: t.Bunch) -> int:
        return self._selectable.layer(proposal.value, self.stack)

    @t.validate("heads")
    def _check_heads(self, proposal: t.Bunch) -> list[int]:
        return self._selectable.heads(proposal.value, self.stack, self.layer)

    @t.validate("head")
    def _check_head(self, proposal: t.Bunch) -> int | None:
        return self._selectable.head(proposal.value, self.stack, self.layer)

    @t.validate("token")
    def _check_token(self, proposal: t.Bunch) -> int | None:
        return self._selectable.token(proposal.value, self.stack)

    @t.validate("neuron")
    def _check_neuron(self, proposal: t.Bunch) -> int | None:
        return self._selectable.neuron(proposal.value, self.stack, self.layer)

    @t.observe("stack", "layer")
    def _keep_within(self, _change: t.Bunch) -> None:
        """Another stack or layer may have fewer layers or heads."""
        trace = self._trace
        if trace is None:
            return
        self.layer = min(self.layer, trace.stacks[self.stack].layers - 1)
        count = self._selectable.head_count(self.stack, self.layer) or 0
        self.heads = [head for head in self.heads if head < count]

    @t.observe("heads")
    def _follow_heads(self, _change: t.Bunch) -> None:
        """The neuron view shows a head that is on."""
        if self.head not in self.heads:
            self.head = next(iter(self.heads), None)

    @t.observe("head")
    def _turn_on(self, _change: t.Bunch) -> None:
        """A head whose neurons are asked for is turned on."""
        if self.head is not None and self.head not in self.heads:
            self.heads = [*self.heads, self.head]

    def _traced(self, trace_id: str) -> None:
        """A page is about to show this trace (called from a thread that works on a request)."""
        self._trace = self._session.trace(trace_id)

    def _receive(self, _widget: object, content: object, buffers: object) -> None:
        if self._requests is not None:
            self._requests.receive(content, buffers)

    def _post(self, content: dict[str, str], buffers: list[bytes]) -> None:
        self.send(content, buffers)


def _title_of(trace: Trace) -> str:
    said = trace.provenance
    title = str(said.get("title") or said.get("model") or "Attention")
    edits = len(said.get("edits") or ())
    return f"{title}, changed by {edits} edit{'' if edits == 1 else 's'}" if edits else title
