"""Every public call of attnscope with its valid arguments: what the fuzzer of calls changes.

The subjects are tiny random models, so that a call takes milliseconds.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from helpers import tiny_models

import attnscope
from attnscope import analysis, bertviz, edits
from attnscope.analysis import patterns

CONLLU = "1\tBirds\t_\tNOUN\t_\t_\t2\tnsubj\t_\t_\n2\tsing\t_\tVERB\t_\t_\t0\troot\t_\t_\n\n"


@dataclass(frozen=True)
class Call:
    """A public function, valid arguments for it, and the arguments that are left alone, with the reason."""

    name: str
    function: Callable[..., Any]
    arguments: Mapping[str, Any]
    kept: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def changed(self) -> list[str]:
        """The arguments that the fuzzer changes: all parameters of the function, given here or not."""
        parameters = inspect.signature(self.function).parameters.values()
        named = [one.name for one in parameters if one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL)]
        return [name for name in dict.fromkeys([*self.arguments, *named]) if name not in self.kept and name != "self"]


def calls(folder: Path) -> list[Call]:
    """All public calls. Files are written to `folder`."""
    decoder = attnscope.Model(tiny_models.build("llama"), tiny_models.words_tokenizer())
    encoder = attnscope.Model(tiny_models.build("bert"), tiny_models.words_tokenizer())
    trace = decoder.trace("a b c d e f g h")
    states = decoder.states("a b c")
    sweep = decoder.patch("a b c", "a d c", answer=5)
    mediation = decoder.mediate("a b c", "a d c", 5, 6)
    attention = [torch.softmax(torch.randn(1, 2, 3, 3), -1)]
    page, saved = folder / "page.html", folder / "saved.trace"
    trace.save(saved)
    runs_any_code = {"trust_remote_code": "it is what it says"}
    place = {"layer": 1, "head": 1}
    edit = edits.ScaleHead(1, 1, 0.5)
    record = trace.layer_record(1)
    projection = decoder.hf_model.model.layers[1].self_attn.o_proj
    displays = {"html_action": "the other value displays the page"}
    return [
        Call("load", attnscope.load, {"source": str(folder / "absent")}, runs_any_code),
        Call("open", attnscope.open, {"path": saved, "model": None}),
        Call("show", attnscope.show, {"shown": trace}),
        Call("Workspace", attnscope.Workspace, {"traces": [trace]}),
        Call("Workspace.save", attnscope.Workspace([trace]).save, {"path": folder / "saved.workspace"}),
        Call("show of a model", attnscope.show, {"shown": decoder}),
        Call("export", attnscope.export, {"trace": trace, "path": page}),
        Call("figure", attnscope.figure, {"trace": trace}),
        Call("figure of a model view", attnscope.figure, {"trace": trace, "view": "model"}),
        Call("figure of a neuron view", attnscope.figure, {"trace": trace, "view": "neuron"}),
        Call("figure of a matrix", attnscope.figure, {"trace": trace, "view": "matrix"}),
        Call("Model", attnscope.Model, {"hf_model": decoder.hf_model, "tokenizer": decoder.tokenizer}),
        Call("Model.trace", decoder.trace, {"text": "a b"}),
        Call("Model.trace of an encoder", encoder.trace, {"text": "a b", "pair": "c"}),
        Call("Model.encode", decoder.encode, {"text": "a b"}),
        Call("Model.count_tokens", decoder.count_tokens, {"text": "a b"}),
        Call("Model.generate", decoder.generate, {"text": "a b", "max_new_tokens": 2}),
        Call("Model.check", decoder.check, {"text": "a b"}),
        Call("Model.states", decoder.states, {"text": "a b", "answer": 5}),
        Call("Model.states of an encoder", encoder.states, {"text": "a [MASK]", "answer": 5}),
        Call("Model.patch", decoder.patch, {"clean": "a b", "corrupted": "a c", "answer": 5}),
        Call("Model.patch by position", decoder.patch, {"clean": "a b", "corrupted": "a c", "by": "position"}),
        Call("Model.mediate", decoder.mediate, {"clean": "a b", "corrupted": "a c", "answer": 5, "foil": 6}),
        Call("Model.effect", decoder.effect, {"text": "a b c", "edits": [edit], "answer": 5}),
        Call("Model.effects", decoder.effects, {"text": "a b c", "variants": [[edit], []], "answer": 5}),
        Call("Model.control", decoder.control, {"text": "a b c", "edits": [edit], "answer": 5, "tokens": [5]}),
        Call("Model.control_kinds", decoder.control_kinds, {"text": "a b c", "edits": [edit]}),
        Call("Model.prediction", decoder.prediction, {"trace": trace, "position": 1}),
        Call("Model.changes", decoder.changes, {"trace": trace}),
        Call("Model.head_importance", decoder.head_importance, {"texts": ["a b c", "d e f"], "confirm": 2}),
        Call("Model.value_zeroing", decoder.value_zeroing, {"text": "a b c", "layer": 1}),
        Call(
            "Model.attribution_patch", decoder.attribution_patch, {"clean": "a b c", "corrupted": "a d c", "confirm": 2}
        ),
        Call("Metric", attnscope.Metric, {"answer": " b", "foil": 6}),
        Call("Attribution.frame", decoder.attribution_patch("a b c", "a d c", of="edges").frame, {"top": 3}),
        Call("Model.edited", lambda edits: decoder.edited(edits).__enter__(), {"edits": [edit]}),
        Call("Model.bake", decoder.bake, {"edits": [edit]}),
        Call("Model.bake_problems", decoder.bake_problems, {"edits": [edit], "trace": trace}),
        Call("Trace.find", trace.find, {"text": "a"}),
        Call("Trace.spans", trace.spans, {"text": "a"}),
        Call("Trace.tokens_for", trace.tokens_for, {}),
        Call("Trace.attention", trace.attention, place),
        Call("Trace.scores", trace.scores, place),
        Call("Trace.q", trace.q, place),
        Call("Trace.k", trace.k, place),
        Call("Trace.v", trace.v, place),
        Call("Trace.rotary", trace.rotary, {"layer": 1}),
        Call("Trace.head_output", trace.head_output, place),
        Call("Trace.save", trace.save, {"path": folder / "other.trace"}),
        Call("Trace.from_attention", attnscope.Trace.from_attention, {"attentions": attention, "tokens": list("abc")}),
        Call("States.residual", states.residual, {"after": 1}),
        Call("States.logits", states.logits, {"after": 1}),
        Call("States.lens", states.lens, {"k": 2}),
        Call("States.read", states.read, {"ident": 5}),
        Call("States.frame", states.frame, {"k": 1}),
        Call("Sweep.frame", sweep.frame, {}),
        Call("Mediation.frame", mediation.frame, {}),
        Call("analysis.measures", analysis.measures, {}),
        Call("analysis.heads", analysis.heads, {"trace": trace}),
        Call("analysis.edge", analysis.edge, {"trace": trace, "query": 3, "key": 1}),
        Call("analysis.match", analysis.match, {"trace": trace, "pattern": "previous", "draws": 2}),
        Call("analysis.variability", analysis.variability, {"traces": [trace, trace]}),
        Call("patterns.offset", patterns.offset, {"k": 1}),
        Call("patterns.predicate", patterns.predicate, {"function": max}),
        Call("patterns.matrix", patterns.matrix, {"array": [[1]]}),
        Call("patterns.same_word", patterns.same_word, {}),
        Call("patterns.aligned", patterns.aligned, {"alignment": "0-0"}),
        Call("patterns.brackets", patterns.brackets, {"pairs": "<>"}),
        Call("patterns.next_item", patterns.next_item, {}),
        Call("patterns.regex", patterns.regex, {"query": "a", "key": "b"}),
        Call("patterns.relation", patterns.relation, {"conllu": CONLLU, "relation": "nsubj"}),
        Call("analysis.decay", analysis.decay, {"trace": trace, **place}),
        Call("analysis.decays", analysis.decays, {"trace": trace}),
        Call("analysis.difference", analysis.difference, {"trace": trace, "baseline": trace, **place}),
        Call("analysis.similarity", analysis.similarity, {"trace": trace}),
        Call("analysis.rollout", analysis.rollout, {"trace": trace}),
        Call("analysis.value_weighted", analysis.value_weighted, {"trace": trace, **place}),
        Call("analysis.output_norms", analysis.output_norms, {"record": record, "projection": projection}),
        Call("analysis.value_norms", analysis.value_norms, {"record": record, "projection": projection}),
        *(Call(f"edits.{kind.__name__}", kind, arguments) for kind, arguments in EDITS),
        Call("edits.to_json", edits.to_json, {"edits": [edit]}),
        Call("edits.from_json", edits.from_json, {"text": edits.to_json([edit])}),
        Call("edits.TraceRef", edits.TraceRef, {"id": "0" * 32}),
        Call(
            "bertviz.head_view",
            bertviz.head_view,
            {"attention": attention, "tokens": list("abc"), "html_action": "return"},
            displays,
        ),
        Call(
            "bertviz.model_view",
            bertviz.model_view,
            {"attention": attention, "tokens": list("abc"), "html_action": "return"},
            displays,
        ),
        Call(
            "bertviz.neuron_view.show",
            bertviz.neuron_view.show,
            {
                "model": decoder,
                "model_type": "llama",
                "tokenizer": None,
                "sentence_a": "a b",
                "html_action": "return",
            },
            displays,
        ),
        Call(
            "bertviz.neuron_view.get_attention",
            bertviz.neuron_view.get_attention,
            {"model": decoder, "model_type": "llama", "tokenizer": None, "sentence_a": "a b"},
        ),
        Call("edits on a trace", lambda edits: decoder.trace("a b c", edits=edits), {"edits": [edit]}),
    ]


EDITS: list[tuple[type[edits.Edit], dict[str, Any]]] = [
    (edits.ScaleHead, {"layer": 1, "head": 1, "factor": 0.5}),
    (edits.MeanHead, {"layer": 1, "head": 1, "reference": [1.0, 2.0]}),
    (edits.ResampleHead, {"layer": 1, "head": 1, "reference": [[1.0, 2.0]]}),
    (edits.SetAttention, {"layer": 1, "head": 1, "query": 2, "key": 1, "weight": 0.5}),
    (edits.CutEdge, {"layer": 1, "head": 1, "query": 2, "key": 1}),
    (edits.ScaleNeuron, {"layer": 1, "head": 1, "vector": "q", "dims": 0, "factor": 0.5}),
    (edits.PatchHead, {"layer": 1, "head": 1, "source": [[1.0, 2.0]]}),
    (edits.AddVector, {"layer": 1, "position": 1, "vector": [1.0, 2.0]}),
]
