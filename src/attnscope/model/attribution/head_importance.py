"""`HeadImportance`: how much a metric depends on each head, by the gradient of a gate (Michel et al. 2019)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import cross_entropy

from attnscope.edits import ScaleHead
from attnscope.errors import InputError
from attnscope.model.attribution.agreement import spearman
from attnscope.model.attribution.gradients import differentiated
from attnscope.model.effects.effect import EditedPasses, asked_of
from attnscope.model.effects.prompt import Prompt
from attnscope.model.effects.question import MetricArguments, Question, function_question
from attnscope.types import Observer
from attnscope.validation import is_index, is_whole

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True, eq=False)
class HeadImportance:
    """The importance of every head, from `Model.head_importance`.

    A gate ξ multiplies the output of each head; it is 1 in the model. The importance of a head is the mean over the inputs of
    |∂L/∂ξ| (Michel et al. 2019, "Are Sixteen Heads Really Better than One?"), where L is the metric, by default the language
    modeling loss in nats. This is a first-order estimate of what ablating the head changes, to be confirmed by ablation.

    Attributes:
        values: The importance, float64 [layer, head]; NaN where a layer has no such head.
        gradients: ∂L/∂ξ for each input, float64 [input, layer, head]; ablating a head changes L by about the negative.
        stack: The stack of the heads.
        metric: The name of L.
        normalized: Whether the values of each layer were divided by their l2 norm.
        ablated: What ablating heads really does, for the most important ones, or None.
    """

    values: Float[Tensor, "layer head"]
    gradients: Float[Tensor, "input layer head"]
    stack: str
    metric: str
    normalized: bool
    ablated: Ablations | None

    def frame(self) -> pandas.DataFrame:
        """A DataFrame with one row per head: layer, head, importance, the largest first."""
        import pandas as pd

        there = (~self.values.isnan()).nonzero()
        rows = {"layer": there[:, 0], "head": there[:, 1], "importance": self.values[there[:, 0], there[:, 1]]}
        table = pd.DataFrame({name: column.numpy() for name, column in rows.items()})
        return table.sort_values("importance", ascending=False, kind="stable", ignore_index=True)

    def __repr__(self) -> str:
        size = " × ".join(str(one) for one in self.values.shape)
        inputs = len(self.gradients)
        confirmed = "not confirmed by ablation" if self.ablated is None else self.ablated.sentence
        return f"<HeadImportance for {self.metric}, {size} heads, {inputs} input{'s' * (inputs != 1)}: {confirmed}>"


@dataclass(frozen=True, eq=False)
class Ablations:
    """What ablating the most important heads does (`ScaleHead` by 0, one head at a time), beside their importance.

    Attributes:
        heads: The (layer, head) of each, the most important first.
        importance: The estimate, float64 [head]; not normalized.
        ablation: The mean over the inputs of |L(ablated) − L|, float64 [head].
        inputs: The number of inputs.
    """

    heads: tuple[tuple[int, int], ...]
    importance: Float[Tensor, "head"]
    ablation: Float[Tensor, "head"]
    inputs: int

    @property
    def spearman(self) -> float:
        """The rank correlation of importance and ablation over these heads. NaN for one head."""
        return spearman(self.importance, self.ablation)

    @property
    def sentence(self) -> str:
        """The agreement in words."""
        return f"rank correlation {self.spearman:.2f} with ablation (n = {len(self.heads)} heads)"

    def frame(self) -> pandas.DataFrame:
        """A DataFrame with one row per ablated head: layer, head, importance, ablation."""
        import pandas as pd

        layers, heads = zip(*self.heads, strict=True)
        columns = {"importance": self.importance.numpy(), "ablation": self.ablation.numpy()}
        return pd.DataFrame({"layer": layers, "head": heads, **columns})


def several(texts: Any) -> list[Any]:
    """The texts of a list, or the only one: a list of token ids or of chat messages is one text."""
    if isinstance(texts, (list, tuple)) and not all(isinstance(one, Mapping) or is_index(one) for one in texts):
        return list(texts)
    return [texts]


def head_importance_of(
    prompts: Sequence[Prompt],
    arguments: MetricArguments | None,
    *,
    stack: str | None = None,
    normalized: bool = False,
    confirm: int = 0,
    observer: Observer | None = None,
) -> HeadImportance:
    """Implement `Model.head_importance`; `arguments` of None stands for the language modeling loss."""
    if not prompts:
        raise InputError("There are no texts. Pass at least one.")
    if not is_whole(confirm) or confirm < 0:
        raise InputError(f"`confirm` must be a whole number from 0; got {confirm!r:.80}.")
    name = prompts[0].chosen_stack(stack)
    found: list[Tensor] = []
    questions: list[Question] = []
    for number, prompt in enumerate(prompts, start=1):
        prompt.check_editable()
        questions.append(_question(prompt, arguments, observer))
        found.append(_gate_gradients(prompt, questions[-1], name, observer))
        if observer is not None:
            observer.layer(number, len(prompts))
    gradients = torch.stack(found)
    values = gradients.abs().mean(0)
    ablated = _ablated(prompts, questions, values, name, confirm, observer) if confirm else None
    if normalized:
        values = values / values.nan_to_num(0.0).norm(dim=1, keepdim=True)
    return HeadImportance(values, gradients, name, questions[0].name, normalized, ablated)


def _question(prompt: Prompt, arguments: MetricArguments | None, observer: Observer | None) -> Question:
    if arguments is not None:
        return asked_of(prompt, arguments, observer)
    if not prompt.architecture_of(prompt.last_stack).causal:
        raise InputError("Only a causal model has a language modeling loss. Pass a metric, such as `answer=`.")
    ids = prompt.inputs.get("decoder_input_ids", prompt.inputs.get("input_ids"))
    if ids is None or ids.shape[1] < 2:
        raise InputError("The language modeling loss needs at least two tokens. Pass a longer text, or a metric.")
    counted = torch.tensor([not token.padding for token in prompt.predicting[1:]])

    def language_modeling_loss(logits: Tensor) -> Tensor:
        return cross_entropy(logits[:-1][counted].double(), ids[0, 1:].to(logits.device)[counted])

    return function_question(prompt, language_modeling_loss, len(prompt.predicting) - 1)


def _gate_gradients(prompt: Prompt, question: Question, stack: str, observer: Observer | None) -> Tensor:
    """∂L/∂ξ of every head [layer, head]: the gradient at the head's output, times that output, summed."""
    sizes = prompt.stacks[stack]
    found = torch.full((sizes.layers, sizes.heads), torch.nan, dtype=torch.float64)
    for one in differentiated(prompt, question, observer).passes:
        for place, layer in one.items():
            if place.stack != stack:
                continue
            assert layer.gradient is not None
            own = (layer.output.double() * layer.gradient.double()).sum((0, 2)).cpu()
            found[place.layer, : len(own)] = found[place.layer, : len(own)].nan_to_num(0.0) + own
    return found


def _ablated(
    prompts: Sequence[Prompt],
    questions: Sequence[Question],
    values: Tensor,
    stack: str,
    confirm: int,
    observer: Observer | None,
) -> Ablations:
    known = int((~values.isnan()).sum())
    order = values.flatten().nan_to_num(-1.0).argsort(descending=True)[: min(confirm, known)]
    heads = tuple((int(index) // values.shape[1], int(index) % values.shape[1]) for index in order)
    effects: list[Tensor] = []
    for prompt, question in zip(prompts, questions, strict=True):
        edited = EditedPasses(prompt, question, observer)
        variants: list[tuple[Any, ...]] = [(ScaleHead(layer, head, 0.0, stack=stack),) for layer, head in heads]
        measured = torch.cat([batch.values for batch in edited.run(variants)])
        effects.append((measured - edited.passes.before).abs())
    return Ablations(heads, values.flatten()[order], torch.stack(effects).mean(0), len(prompts))
