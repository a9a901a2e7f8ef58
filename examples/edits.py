"""One edit of each kind on SmolLM2 and its effect: the numbers in docs/how-to/edits.md.

python examples/edits.py
"""

from __future__ import annotations

import torch

import attnscope
from attnscope import Model, Trace, edits
from attnscope.edits import Edit

TEXT = "When Mary and John went to the store, John gave a drink to"
SWAPPED = "When John and Mary went to the store, Mary gave a drink to"
OTHERS = "When Tom and Anna went to the beach, Anna gave a drink to"
LAYER, HEAD, LAST, FIRST_MARY, SECOND_JOHN = 23, 3, 13, 1, 9


def main() -> None:
    model = attnscope.load("smollm2")
    plain = model.trace(TEXT)
    print(
        "| edit | weight on John (9) | on Mary (1) | P(Mary) | P(John) | logit of Mary − John |\n|---|---|---|---|---|---|"
    )
    print(row(model, "none", plain))
    for edit in example_edits(model):
        print(row(model, short_repr(edit), model.trace(TEXT, edits=[edit])))
    both = [edits.ScaleHead(LAYER, HEAD, 2.0), edits.SetAttention(LAYER, HEAD, LAST, FIRST_MARY, 0.9)]
    print(row(model, "the set weight and the output doubled", model.trace(TEXT, edits=both)))
    itself = model.trace(TEXT, edits=[edits.PatchHead(LAYER, HEAD, plain, "output")])
    print("patching with the same prompt leaves all logits bit-identical:", torch.equal(logits(itself), logits(plain)))
    for changes in ([], both[1:]):
        print(repr(model.generate(TEXT, 4, edits=changes).text))


def example_edits(model: Model) -> list[Edit]:
    """One edit of each kind, all on the same head, or on the residual stream after its layer."""
    swapped, others = model.trace(SWAPPED), model.trace(OTHERS)
    unembedding = model.hf_model.get_output_embeddings().weight
    mary, john = names(model)
    vector = (unembedding[john] - unembedding[mary]).detach()
    return [
        edits.ScaleHead(LAYER, HEAD, 0.0),
        edits.MeanHead(LAYER, HEAD, others),
        edits.ResampleHead(LAYER, HEAD, others),
        edits.CutEdge(LAYER, HEAD, LAST, SECOND_JOHN),
        edits.SetAttention(LAYER, HEAD, LAST, FIRST_MARY, 0.9),
        edits.ScaleNeuron(LAYER, HEAD, (10, 42), 0.0),
        edits.PatchHead(LAYER, HEAD, swapped),
        edits.PatchHead(LAYER, HEAD, swapped, "output"),
        edits.AddVector(LAYER, LAST, 40 * vector / vector.norm()),
    ]


def row(model: Model, name: str, trace: Trace) -> str:
    """One row of the table."""
    mary, john = names(model)
    last, weights = logits(trace)[-1].float(), trace.attention(LAYER, HEAD)[LAST]
    found = torch.softmax(last, 0)
    attended = f"{float(weights[SECOND_JOHN]):.2f} | {float(weights[FIRST_MARY]):.2f}"
    return f"| {name} | {attended} | {float(found[mary]):.3f} | {float(found[john]):.3f} | {float(last[mary] - last[john]):.2f} |"


def logits(trace: Trace) -> torch.Tensor:
    """The logits at every position."""
    assert trace.logits is not None
    return trace.logits


def names(model: Model) -> tuple[int, int]:
    """The token ids of the two answers."""
    mary, john = (model.tokenizer(name).input_ids[0] for name in (" Mary", " John"))
    return mary, john


def short_repr(edit: Edit) -> str:
    """The edit as Python, truncated where it holds arrays or traces."""
    return repr(edit)[:60]


if __name__ == "__main__":
    main()
