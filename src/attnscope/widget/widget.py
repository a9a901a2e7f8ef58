"""`AttentionWidget`: the page in a notebook cell. Traits hold the selection; custom messages carry the data."""

from __future__ import annotations

import contextvars
import threading
import uuid
from pathlib import Path
from typing import Any

import anywidget
import traitlets as t
from IPython.display import DisplayHandle, display

from attnscope.display import exporter, in_notebook
from attnscope.errors import InputError
from attnscope.model.model import Model
from attnscope.session import ModelEntry, Session, StoredTrace
from attnscope.trace import Trace
from attnscope.widget.comparison import NOT_EDITABLE, baseline_id, edit_list, field_name
from attnscope.widget.preview import note_html, preview_html, preview_svg
from attnscope.widget.requests import Requests
from attnscope.widget.selection import Selectable, SelectionError
from attnscope.workspace import Workspace

_MODULE = Path(__file__).resolve().parent.parent / "static" / "widget.js"


class _Checked(t.TraitType[Any, Any]):
    """A trait that is checked only by its validator, including None."""


class AttentionWidget(anywidget.AnyWidget):
    """A trace or workspace, or a model with a prompt box, in a notebook cell.

    The traits are the selection, and what is compared and edited. You can read them, set them and `observe` them: a click
    changes them, and setting them changes the page. Layers, heads and tokens count from 0. Setting a selection that the trace
    does not have raises `InputError` and leaves the selection unchanged.
    """

    _esm = t.Unicode().tag(sync=True)

    view = t.Unicode("model", help="The active view: model, head or neuron.").tag(sync=True)
    stack = t.Unicode("", help="encoder, decoder or cross.").tag(sync=True)
    layer = _Checked(0, help="The layer.").tag(sync=True)
    heads = _Checked(help="The selected heads, ascending; never empty if the layer has heads.").tag(sync=True)
    head = t.Any(None, help="The head in the neuron view; None before there is a trace.").tag(sync=True)
    token = t.Any(None, help="The index of the selected query token, or None. Can be set to a word.").tag(sync=True)
    neuron = t.Any(None, help="The selected dimension of queries and keys, or None.").tag(sync=True)
    baseline = t.Any(
        None, help="The id of the trace that the current one is compared with, or None. Can be set to a trace."
    ).tag(sync=True)
    field = t.Unicode("after", help="What is shown: before (the baseline), after, or difference.").tag(sync=True)
    edits = _Checked(help="The edits of the current pass, as JSON objects. Can be set to edits.").tag(sync=True)
    height = t.Int(640, min=240, help="Height of the page in CSS pixels.").tag(sync=True)

    _key = t.Unicode(help="The key by which the page finds the preview of this widget.").tag(sync=True)
    _current = t.Any(None, help="The id of the current trace, which a page sets; None before there is one.").tag(
        sync=True
    )

    _requests: Requests | None = None
    _picture: DisplayHandle | None = None
    _drawn: str | None = None

    def __init__(self, shown: Trace | Model | Workspace, **selected: Any) -> None:
        if isinstance(shown, Workspace):
            self._trace: Trace | None = shown.current
            self._editable = False
            self._drawn = shown.current.id
            self._session = Session(workspace=shown, exporter=exporter())
        elif isinstance(shown, Trace):
            self._trace = shown
            self._editable = False
            self._drawn = shown.id
            self._session = Session(traces=[StoredTrace.without_model(shown)], exporter=exporter())
        elif isinstance(shown, Model):
            self._trace = None
            self._editable = True
            self._session = Session([ModelEntry.loaded(shown)], exporter=exporter())
        else:
            raise InputError(
                f"`show` needs a Trace, a Model or a Workspace; got {type(shown).__name__}. Wrap a transformers model with "
                "`attnscope.Model(model, tokenizer)`, and attention weights with `Trace.from_attention`."
            )
        self._requests = Requests(self._session, self._post)
        self._title = repr(shown)
        self._drawing = threading.Lock()
        current = None if self._trace is None else self._trace.id
        super().__init__(_key=uuid.uuid4().hex, _current=current, **selected)
        self.on_msg(self._receive)

    @property
    def trace(self) -> Trace | None:
        """The current trace. For a model, this is the trace of the last run, or None."""
        if self._current is not None and (self._trace is None or self._trace.id != self._current):
            self._trace = self._session.trace(self._current)
        return self._trace

    @property
    def baseline_trace(self) -> Trace | None:
        """The trace that the current one is compared with, or None."""
        return None if self.baseline is None else self._session.trace(self.baseline)

    def close(self) -> None:
        """Close the widget on every page, stop its work and release its traces."""
        if self._requests is not None:
            self._requests.close()
        super().close()
        self._trace = self._current = None

    def __repr__(self) -> str:
        return f"<AttentionWidget of {self._title}>"

    def _ipython_display_(self) -> None:
        """Display the preview for the saved notebook, then the page, which hides the preview once it runs."""
        if not in_notebook():
            raise NotImplementedError  # IPython then falls back to the text representation
        self._picture = display(self._saved(), raw=True, display_id=True)
        made = super()._repr_mimebundle_()
        if made is not None:
            bundle, metadata = made
            display({**bundle, "text/plain": repr(self)}, metadata=metadata, raw=True)

    def _repr_mimebundle_(self, **options: Any) -> Any:
        made = super()._repr_mimebundle_(**options)
        svg = None if made is None else self._preview()
        if made is None or svg is None:
            return made
        bundle, metadata = made
        return {**bundle, "text/plain": repr(self), "image/svg+xml": svg}, metadata

    def _saved(self) -> dict[str, str]:
        """What a saved notebook shows where the widget is missing: the preview, or a note for a model that ran nothing."""
        svg = self._preview()
        if svg is None:
            alt = f"{self._title}: nothing was run when this notebook was saved. Run the cell to use the model."
            return {"text/html": note_html(alt, key=self._key), "text/plain": alt}
        alt = f"Preview of {self._title} from when this cell ran."
        return {"text/html": preview_html(svg, key=self._key, alt=alt), "text/plain": alt}

    def _preview(self) -> str | None:
        trace = self.trace
        if trace is None:
            return None
        # Right after a run, the traits are still those of the input before, or of none.
        stack = self.stack if self.stack in trace.stacks else next(iter(trace.stacks))
        layer = min(self.layer, trace.stacks[stack].layers - 1)
        shape = trace.stacks[stack].shapes[layer]
        every = range(0 if shape is None else shape.heads)
        heads = [head for head in self.heads if head in every] or list(every)
        queries = trace.tokens_for(stack)[0]
        token = self.token if self.token is not None and self.token < len(queries) else None
        return preview_svg(trace, stack, layer, heads, token=token, title=_title_of(trace))

    def _draw_again(self) -> None:
        """Replace the saved preview after a run: a notebook that is saved now shows that run when it is opened again."""
        with self._drawing:
            picture, trace = self._picture, self.trace
            if picture is None or trace is None or trace.id == self._drawn:
                return
            self._drawn = trace.id
            picture.update(self._saved(), raw=True)

    @property
    def _selectable(self) -> Selectable:
        """What can be selected in the pass that is shown."""
        return Selectable(self.baseline_trace if self.field == "before" else self.trace)

    @t.default("_esm")
    def _page(self) -> str:
        try:
            return _MODULE.read_text(encoding="utf-8")
        except FileNotFoundError:
            raise InputError(
                "attnscope's front end is missing. Run `make setup` in a checkout, or reinstall attnscope."
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
        """Drop selected layers and heads that the new stack or layer does not have."""
        selectable = self._selectable
        if selectable.trace is None:
            return
        self.layer = min(self.layer, selectable.trace.stacks[self.stack].layers - 1)
        count = selectable.head_count(self.stack, self.layer) or 0
        self.heads = [head for head in self.heads if head < count]

    @t.observe("heads")
    def _follow_heads(self, _change: t.Bunch) -> None:
        """Keep the head of the neuron view among the selected heads."""
        if self.head not in self.heads:
            self.head = next(iter(self.heads), None)

    @t.observe("head")
    def _turn_on(self, _change: t.Bunch) -> None:
        """Select the head of the neuron view."""
        if self.head is not None and self.head not in self.heads:
            self.heads = [*self.heads, self.head]

    @t.validate("baseline")
    def _check_baseline(self, proposal: t.Bunch) -> str | None:
        return baseline_id(proposal.value, self._session)

    @t.validate("field")
    def _check_field(self, proposal: t.Bunch) -> str:
        return field_name(proposal.value, self.baseline)

    @t.default("edits")
    def _no_edits(self) -> list[dict[str, Any]]:
        return []

    @t.validate("edits")
    def _check_edits(self, proposal: t.Bunch) -> list[dict[str, Any]]:
        edits = edit_list(proposal.value, self._session)
        own = [] if self.trace is None else self.trace.provenance.get("edits")
        if edits and edits != own and not self._editable:
            raise SelectionError(NOT_EDITABLE)
        return edits

    @t.observe("baseline")
    def _end_comparison(self, _change: t.Bunch) -> None:
        """Without a baseline, there is only the current pass to show."""
        if self.baseline is None:
            self.field = "after"

    @t.observe("_current")
    def _traced(self, _change: t.Bunch) -> None:
        """Draw the preview of the trace that a page shows now."""
        if self._picture is not None and self._current not in (None, self._drawn):
            # In a thread of its own, so that the page does not wait for the drawing. The context names the cell.
            context = contextvars.copy_context()
            threading.Thread(
                target=context.run, args=(self._draw_again,), name="attnscope preview", daemon=True
            ).start()

    def _receive(self, _widget: object, content: object, buffers: object) -> None:
        if self._requests is not None:
            self._requests.receive(content, buffers)

    def _post(self, content: dict[str, str], buffers: list[bytes]) -> None:
        self.send(content, buffers)


def _title_of(trace: Trace) -> str:
    provenance = trace.provenance
    title = str(provenance.get("title") or provenance.get("model") or "Attention")
    edits = len(provenance.get("edits") or ())
    return f"{title}, with {edits} edit{'' if edits == 1 else 's'}" if edits else title
