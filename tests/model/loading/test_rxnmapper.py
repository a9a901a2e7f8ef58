"""RXNMapper, a model with a head that maps atoms: its weights, its SMILES tokenizer, and known atom mappings."""

from __future__ import annotations

import re

import pytest
import torch

import attnscope

LAYER, HEAD = 10, 5
SUBSTITUTION = "CC(C)S.CN(C)C=O.Fc1cccnc1F.O=C([O-])[O-].[K+].[K+]>>CC(C)Sc1ncccc1F"


@pytest.fixture(scope="module")
def rxnmapper() -> attnscope.Model:
    return attnscope.load("rxnmapper")


def mapped(trace: attnscope.Trace) -> dict[int, int]:
    """For every product atom, the reactant atom with the largest attention weight."""
    atoms = [
        i
        for i, token in enumerate(trace.tokens)
        if not token.special and re.fullmatch(r"\[.+\]|Br|Cl|[BCNOPSFIbcnops]", token.text)
    ]
    arrow = [token.text for token in trace.tokens].index(">>")
    before = [i for i in atoms if i < arrow]
    attention = trace.attention(LAYER, HEAD)
    return {p: before[int(attention[p, before].argmax())] for p in atoms if p > arrow}


def test_atoms_bonds_and_brackets_are_tokens(rxnmapper: attnscope.Model) -> None:
    tokens = [token.text for token in rxnmapper.trace("BrC%12=[NH+]>>Cl").tokens]
    assert tokens == ["[CLS]", "Br", "C", "%12", "=", "[NH+]", ">>", "Cl", "[SEP]"]


def test_the_largest_weights_are_the_known_atom_map(rxnmapper: attnscope.Model) -> None:
    trace = rxnmapper.trace(SUBSTITUTION)
    # the mapping in rxnmapper's own tests: the thiol's atoms in order, the ring from the other end
    assert mapped(trace) == {40: 1, 41: 2, 43: 4, 45: 6, 46: 24, 48: 23, 49: 22, 50: 21, 51: 20, 52: 18, 54: 17}
    # an ester from an alcohol and an acid chloride: the alcohol keeps its oxygen
    assert mapped(rxnmapper.trace("CCO.CC(=O)Cl>>CCOC(C)=O")) == {13: 1, 14: 2, 15: 3, 16: 6, 18: 5, 21: 9}


def test_its_attention_is_the_models_own(rxnmapper: attnscope.Model) -> None:
    trace = rxnmapper.trace(SUBSTITUTION)
    eager = type(rxnmapper.hf_model).from_pretrained(rxnmapper.hf_model.name_or_path, attn_implementation="eager")
    with torch.no_grad():
        weights = eager(**trace.inputs, output_attentions=True).attentions
    assert len(weights) == 12
    for layer, expected in enumerate(weights):
        for head in range(8):
            assert (trace.attention(layer, head) - expected[0, head]).abs().max() < 1e-5


def test_a_masked_atom_is_predicted(rxnmapper: attnscope.Model) -> None:
    trace = rxnmapper.trace("CC(C)[MASK].Fc1cccnc1F>>CC(C)Sc1ncccc1F")
    (prediction,) = trace.predictions
    assert (prediction.of, prediction.position, prediction.choices[0].text) == ("token", 6, "S")
    assert (prediction.choices[0].probability or 0) > 0.9
    expected = torch.softmax(rxnmapper.hf_model(**trace.inputs).logits[0, 6], dim=-1)
    assert [choice.probability for choice in prediction.choices] == pytest.approx(expected.topk(5).values.tolist())
