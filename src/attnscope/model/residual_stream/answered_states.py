"""What a model's passes say about an answer: contributions to its logit, and its probability and rank after each layer."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int

from attnscope.model.metrics.answer_passes import ScoringPass
from attnscope.model.metrics.continuation import Continuation
from attnscope.model.metrics.metric import Measurement, log_scores
from attnscope.model.residual_stream.logit_attribution import Contributions, Share
from attnscope.model.residual_stream.states_pass import StatesPass


@dataclass(frozen=True, eq=False)
class LayerScores:
    """How well the logit lens predicts one continuation after each layer (row 0: the embeddings), at its own positions.

    Attributes:
        tokens: The continuation.
        log_probability: ln p of all its tokens [layers + 1], float64: Σ ln p(token | before).
        rank: The rank of its worst predicted token [layers + 1]; 1 is the most probable.
    """

    tokens: Continuation
    log_probability: Float[torch.Tensor, "layer"]
    rank: Int[torch.Tensor, "layer"]

    @property
    def probability(self) -> Float[torch.Tensor, "layer"]:
        """p of all its tokens [layers + 1], float64."""
        return self.log_probability.exp()


@dataclass(frozen=True, eq=False)
class AnswerByLayer:
    """The probability and the rank of the answer after each layer, from `States.answer_by_layer`.

    Attributes:
        answer: The scores of the answer.
        foil: The scores of the foil, or None.
    """

    answer: LayerScores
    foil: LayerScores | None


@dataclass(frozen=True, eq=False)
class AnsweredStates:
    """An answer (and a foil), with the passes that predict their tokens: on the prompt and the tokens before each."""

    measurement: Measurement
    passes: tuple[tuple[ScoringPass, StatesPass], ...]

    def contributions(self) -> Contributions:
        """Direct logit attribution: for each token at the position that predicts it; the shares of several tokens are summed."""
        sums: dict[Share, float] = {}
        total = 0.0
        for scoring, passed in self.passes:
            for index in range(len(scoring.positions)):
                answer, foil = (
                    ids[index] if (ids := scoring.scored.get(name, ()))[index:] else None for name in ("answer", "foil")
                )
                shares, logit = passed.shares(index, answer, foil)
                total += logit
                for share in shares:
                    part = replace(share, value=0.0)
                    sums[part] = sums.get(part, 0.0) + share.value
        ordered = sorted(sums, key=lambda one: one.kind in ("final_bias", "cap"))
        shares = tuple(replace(part, value=sums[part]) for part in ordered)
        return Contributions(shares, total, self.measurement.answer, self.measurement.foil, self.measurement.position)

    def by_layer(self) -> AnswerByLayer:
        """Probability and rank after every layer, by the logit lens."""
        found: dict[str, list[tuple[float, int]]] = {}
        layers = len(self.passes[0][1].states)
        for scoring, passed in self.passes:
            for after in range(layers):
                logits = passed.reading(after, scoring.positions)
                for name, ids in scoring.scored.items():
                    rows = logits[: len(ids)]
                    own = rows.gather(-1, torch.tensor(ids)[:, None])
                    rank = int((rows > own).sum(-1).max()) + 1
                    score = float(log_scores(rows[None], ids).log_probability)
                    found.setdefault(name, []).append((score, rank))
        named = {
            name: LayerScores(
                tokens,
                torch.tensor([score for score, _ in found[name]], dtype=torch.float64),
                torch.tensor([rank for _, rank in found[name]]),
            )
            for name, tokens in (("answer", self.measurement.answer), ("foil", self.measurement.foil))
            if tokens is not None
        }
        return AnswerByLayer(named["answer"], named.get("foil"))
