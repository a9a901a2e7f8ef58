"""The sentence of a certificate."""

from __future__ import annotations

from attnscope.trace.certificate import Certificate, LayerCertificate


def test_the_sentence_names_only_what_was_compared() -> None:
    def sentence(**errors: float) -> str:
        layer = LayerCertificate(0, True, weighted_values=1e-7, **errors)
        return Certificate.of({"decoder": [layer]}, 1e-4, "full").sentence

    assert sentence(hidden_states=0.0, eager_weights=0.0).startswith(
        "Hidden states, weights times value vectors, and eager weights agree"
    )
    assert sentence(hidden_states=0.0).startswith("Hidden states and weights times value vectors agree")
    assert sentence().startswith("Weights times value vectors agree")
