"""`Study`: questions about many inputs."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from attnscope.analysis.pattern_table import pattern_of
from attnscope.edits import Edit
from attnscope.errors import InputError
from attnscope.files import reason, shown
from attnscope.model.loading.packaged import cache_folder
from attnscope.model.metrics.continuation import AnswerText
from attnscope.model.metrics.metric import Metric
from attnscope.model.model import Model, handle_of
from attnscope.model.tracing.provenance import model_provenance
from attnscope.prompt_sets import PromptSet
from attnscope.prompt_sets import prompts as make_prompts
from attnscope.study import questions
from attnscope.study.argument_description import described
from attnscope.study.cache import ResultCache
from attnscope.study.inputs import StudyInputs, without_clashes
from attnscope.study.result import Result
from attnscope.trace.positions import Position
from attnscope.types import Observer
from attnscope.validation import FLAG, OBSERVER, check_arguments


class Study:
    """One model and many prompts. Each method asks one question of all of them and returns a `Result`.

    Traces are made in batches of prompts of equal length and are dropped as soon as they are measured. Results are kept on disk
    by content (model weights, prompts, question, arguments), so that a question that was asked before is answered at once.

    Positions (`query`, `key`, …) are the name of a slot of the prompts' template, or any position that a trace accepts: an index,
    a word, ("the", 2). An answer may name labels in braces: `" {io}"`.

    Args:
        model: The model, an `attnscope.Model`.
        prompts: What `attnscope.prompts` makes, or what it accepts: a list of texts, a file of texts, a table.
        cache: The folder in which results are kept; True for `studies` in attnscope's cache folder, False for none.

    Raises:
        InputError: There are no prompts, or `model` is not an `attnscope.Model`.
    """

    def __init__(self, model: Model, prompts: Any, *, cache: bool | str | Path = True) -> None:
        if not isinstance(model, Model):
            raise InputError(
                f"A study needs a model: `attnscope.load(…)` or `attnscope.Model(hf_model, tokenizer)`; got {model!r:.80}."
            )
        found = prompts if isinstance(prompts, PromptSet) else make_prompts(prompts)
        if not len(found):
            raise InputError("A study needs at least one prompt; got none.")
        self._inputs = StudyInputs(model, found)
        folder = cache_folder() / "studies" if cache is True else None if cache is False else Path(cache).expanduser()
        self._cache = None if folder is None else ResultCache(folder)

    def __repr__(self) -> str:
        return f"<Study of {self.model.title} on {len(self.prompts)} prompts from {self.units} rows>"

    @property
    def model(self) -> Model:
        """The model that answers."""
        return self._inputs.model

    @property
    def prompts(self) -> PromptSet:
        """The prompts that are asked about."""
        return self._inputs.prompts

    @property
    def units(self) -> int:
        """The number of independent units: rows of a template, or single texts."""
        return len({prompt.row for prompt in self.prompts})

    @check_arguments(off_sink=FLAG, observer=OBSERVER)
    def heads(
        self,
        by: str | None = None,
        *,
        stack: str | None = None,
        off_sink: bool = False,
        observer: Observer | None = None,
    ) -> Result:
        """Measure every head's attention (`analysis.heads`): entropy, distance, induction and the other measures.

        Args:
            by: The main measure, the one that `summary` and `top` show unless told otherwise. Default: entropy.
            stack: encoder, decoder or cross, for a model with several stacks.
            off_sink: Without attention sinks, with each row renormalized.
            observer: Counts prompts, and can cancel.
        """
        return self._ask(questions.heads, observer, by=by, stack=stack, off_sink=off_sink)

    @check_arguments(off_sink=FLAG, observer=OBSERVER)
    def edge(
        self,
        query: Position,
        key: Position,
        *,
        stack: str | None = None,
        off_sink: bool = False,
        observer: Observer | None = None,
    ) -> Result:
        """Measure the attention from `query` to `key` in every head: `weight`, `score`, and the key's `rank` `among` the keys.

        Over spans, the weight is the sum over the key tokens, averaged over the query tokens (Clark et al. 2019).
        """
        return self._ask(questions.edge, observer, query=query, key=key, stack=stack, off_sink=off_sink)

    @check_arguments(off_sink=FLAG, observer=OBSERVER)
    def contrast(
        self,
        query: Position,
        key: tuple[Position, Position],
        *,
        between: tuple[str, Any, Any] | None = None,
        stack: str | None = None,
        off_sink: bool = False,
        observer: Observer | None = None,
    ) -> Result:
        """Contrast the attention to two keys, and two values of a label: D = (A₁[q→a] − A₁[q→b]) − (A₂[q→a] − A₂[q→b]).

        With `key=(a, b)` and `between=(label, v1, v2)`, A₁ is the attention in the prompt with the label v1, and A₂ in that with
        v2 (all else equal). Without `between`, the contrast is A[q→a] − A[q→b]. If the prompts have both orders of the nouns
        (`swap`), the mean per order comes first; if the orders disagree in sign the result is 0, else it is the mean nearer 0,
        because position alone yields large values.
        """
        return self._ask(
            questions.contrast, observer, query=query, key=key, between=between, stack=stack, off_sink=off_sink
        )

    @check_arguments(off_sink=FLAG, observer=OBSERVER)
    def match(
        self,
        pattern: Any,
        *,
        stack: str | None = None,
        off_sink: bool = False,
        draws: int = 20,
        seed: int = 0,
        observer: Observer | None = None,
    ) -> Result:
        """Measure how much of every head's attention follows a pattern (`analysis.match`), beside its baseline and control.

        The main value is `share`; `shuffled` is the same with the pattern's keys shuffled within each row, `offset_share` the
        head's attention to the best fixed offset, `accuracy` and `offset_accuracy` those of the largest weight. Prompts in which
        the pattern does not occur are skipped, which the notes say.
        """
        return self._ask(
            questions.match,
            observer,
            pattern=pattern_of(pattern),
            stack=stack,
            off_sink=off_sink,
            draws=draws,
            seed=seed,
        )

    @check_arguments(off_sink=FLAG, observer=OBSERVER)
    def variability(
        self, *, stack: str | None = None, off_sink: bool = True, positions: int = 32, observer: Observer | None = None
    ) -> Result:
        """Measure how much every head's attention differs between inputs: Σ|α − ᾱ| / (2 Σ α) (Vig & Belinkov 2019).

        ᾱ is the mean over the prompts at the same positions, of which the first `positions` that all prompts have count. 0: the
        head looks at positions, whatever is there; the more, the more the content matters. Attention sinks are left out, unless
        `off_sink=False`.
        """
        return self._ask(questions.variability, observer, stack=stack, off_sink=off_sink, positions=positions)

    @check_arguments(observer=OBSERVER)
    def decays(
        self, *, stack: str | None = None, furthest: int | None = None, observer: Observer | None = None
    ) -> Result:
        """Measure how every head's mean score changes with distance: the `slope` per token, and Spearman's correlation.

        `furthest` is the largest distance; by default half of each prompt's tokens. See `analysis.decays`.
        """
        return self._ask(questions.decays, observer, stack=stack, furthest=furthest)

    @check_arguments(observer=OBSERVER)
    def decay(
        self,
        layer: int,
        head: int,
        *,
        stack: str | None = None,
        furthest: int | None = None,
        observer: Observer | None = None,
    ) -> Result:
        """Split one head's slope over distance into shares of pairs of dimensions that rotate together (RoPE), or of single ones.

        `top(k, "share")` are those that carry the slope; `scale_pairs` scales them.
        """
        return self._ask(questions.decay, observer, layer=layer, head=head, stack=stack, furthest=furthest)

    @check_arguments(observer=OBSERVER)
    def scale_pairs(
        self,
        layer: int,
        head: int,
        count: int = 4,
        *,
        pairs: Sequence[str] | None = None,
        factor: float = 0.0,
        controls: int = 20,
        stack: str | None = None,
        seed: int = 0,
        max_new_tokens: int = 12,
        observer: Observer | None = None,
    ) -> Result:
        """Scale the pairs of q's dimensions that carry a head's slope over distance, and as many random pairs beside them.

        The cells are the variants: "unedited", "top", and the controls "random 1" to "random 20". The values are the head's mean
        attention `distance_off_sink` (without attention sinks, rows renormalized), `distance` and `sink` mass, and the model's
        `loss` on the prompt (nats per token). Of the first prompts, the columns `unedited`, `top` and `random` of `inputs` hold
        the continuations.

        Args:
            layer: The layer.
            head: The head.
            count: How many pairs to scale (without RoPE, single dimensions): those with the largest share of the slope.
            pairs: The pairs instead, as in the column `dims` of `decay`: for example those that other prompts chose.
            factor: What to multiply them with.
            controls: How many random sets of as many other pairs.
            stack: The stack, for a model with several.
            seed: The seed of the random sets.
            max_new_tokens: The length of the continuations.
            observer: Counts prompts, and can cancel.
        """
        return self._ask(
            questions.scale_pairs,
            observer,
            layer=layer,
            head=head,
            count=count,
            pairs=None if pairs is None else [pairs] if isinstance(pairs, str) else list(pairs),
            factor=factor,
            controls=controls,
            stack=stack,
            seed=seed,
            max_new_tokens=max_new_tokens,
        )

    @check_arguments(observer=OBSERVER)
    def effect(
        self,
        edits: Sequence[Edit] | Edit,
        metric: Metric | str | None = None,
        controls: int | None = 20,
        *,
        answer: AnswerText | None = None,
        foil: AnswerText | None = None,
        over: str | None = None,
        seed: int = 0,
        observer: Observer | None = None,
    ) -> Result:
        """Measure what edits change in a metric, beside the same edits elsewhere (see `Model.control`).

        The cells are the variants, "edit" first; the main value is `effect` = `after` − `before`. Positions of the edits may be
        names of slots. `result.notes` say the rank of the edit among its controls.

        Args:
            edits: The edits.
            metric: An `attnscope.Metric`, or the name of one.
            controls: How many controls: all other heads (keys, pairs) of the layers if they are at most this many, else as many
                random ones. None: 20.
            answer: The answer, if `metric` is a name; labels in braces are filled in.
            foil: What it is compared with.
            over: Where the controls are: "heads", "keys" or "pairs". By default what the edits are about.
            seed: The seed of the random controls.
            observer: Counts prompts, and can cancel.
        """
        return self._ask(
            questions.effect,
            observer,
            edits=[edits] if isinstance(edits, Edit) else list(edits),
            metric=metric,
            controls=controls,
            answer=answer,
            foil=foil,
            over=over,
            seed=seed,
        )

    @check_arguments(observer=OBSERVER)
    def patch(
        self,
        between: tuple[str, Any, Any],
        answer: AnswerText | None = None,
        foil: AnswerText | None = None,
        *,
        observer: Observer | None = None,
        **options: Any,
    ) -> Result:
        """Activation patching between prompts that differ in one label: `Model.patch` for each pair.

        `between=(label, clean, corrupted)`. `answer` and `foil` may name labels in braces. The main value is `effect`; `restored`
        is Σ effect / Σ (clean − corrupted) over prompts. Prompts of different lengths are aligned by their slots. `options` are
        those of `Model.patch`: what, by, metric, stack, layers, heads, positions.
        """
        return self._ask(questions.patch, observer, between=between, answer=answer, foil=foil, **options)

    @check_arguments(observer=OBSERVER)
    def mediate(
        self,
        between: tuple[str, Any, Any],
        answer: AnswerText,
        foil: AnswerText,
        *,
        observer: Observer | None = None,
        **options: Any,
    ) -> Result:
        """Causal mediation analysis (Vig et al. 2020) between prompts that differ in one label: `Model.mediate` for each pair.

        `between=(label, original, swapped)`. The values are logarithms of ratios of y = p(answer) / p(foil), because ratios are
        heavy-tailed: `indirect` (main), `direct`, `total`; `share` is Σ indirect / Σ total over prompts and may exceed 1.
        """
        return self._ask(questions.mediate, observer, between=between, answer=answer, foil=foil, **options)

    @check_arguments(observer=OBSERVER)
    def states(
        self,
        answer: AnswerText,
        foil: AnswerText | None = None,
        *,
        position: Position | None = None,
        observer: Observer | None = None,
    ) -> Result:
        """Follow an answer through the layers with the logit lens: its `log_probability`, `probability` and `rank` after each.

        The cells are the numbers of layers, 0 for the embeddings. With a foil also its log probability, and the difference.
        """
        return self._ask(questions.states, observer, answer=answer, foil=foil, position=position)

    @check_arguments(observer=OBSERVER)
    def compare(self, other: Model, *, stack: str | None = None, observer: Observer | None = None) -> Result:
        """Compare the attention of two models head by head: base against fine-tuned, say.

        The main value is the Jensen–Shannon `divergence` (nats) between both models' attention in the same head, averaged over
        queries; `distance`, `entropy` and `sinks` are differences of these measures, this model's minus the other's.

        Raises `InputError` if the models have different tokens for a prompt, or different numbers of layers or heads.
        """
        if not isinstance(other, Model):
            raise InputError(f"`other` must be an `attnscope.Model`; got {other!r:.80}.")
        others = StudyInputs(other, self.prompts)
        return self._ask(questions.compare, observer, others=others, stack=stack)

    def _ask(self, question: Callable[..., Result], observer: Observer | None, **arguments: Any) -> Result:
        """The result of a question, from the cache if it was asked before and its arguments can be described in JSON."""
        said, whole = described(arguments)
        prompts = self.prompts
        provenance: dict[str, Any] = {
            "model": model_provenance(handle_of(self.model)),
            "prompts": {
                "id": prompts.id, "count": len(prompts), "source": prompts.source, "license": prompts.license
            },
            "question": question.__name__,
            "arguments": said,
        }  # fmt: skip
        cache = self._cache if whole else None
        known = None if cache is None else cache.get(provenance)
        if known is not None:
            return known
        found = without_clashes(question(self._inputs, **arguments, observer=observer)).with_provenance(provenance)
        if cache is not None:
            try:
                cache.put(found)
            except OSError as error:
                warnings.warn(
                    f"The result could not be kept in {shown(cache.folder)}: {reason(error)}. It is returned all the same.",
                    stacklevel=3,
                )
        return found
