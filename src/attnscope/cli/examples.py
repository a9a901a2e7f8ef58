"""The demo's example inputs: those of the paper's figures, or our own sentences where the paper does not print the input.

The figures are from Vig 2019, "A Multiscale Visualization of Attention in the Transformer Model": figure 1 (fox), figure 2
(cat), figure 3 (heads that follow a list, verbs, an acronym), figure 4 (doctor and nurse), figure 5 (the model view of the
cats), figure 6 (the neurons of an encoder) and figure 7 (neurons whose products fall with distance). Each example selects
the head of the packaged model that shows the pattern best: in the head view the one with the largest mean weight on the
tokens in question.
"""

from __future__ import annotations

from attnscope.session import Example

_DECODER, _ENCODER = "smollm2", "minilm"

EXAMPLES = (
    Example("Fox", "The quick, brown fox jumps over the lazy", model=_DECODER, figure="1", layer=16, heads=(0,)),
    Example(
        "Fox, dispersed", "The quick, brown fox jumps over the lazy", model=_DECODER, figure="1", layer=11, heads=(0,)
    ),
    Example(
        "Two cats",
        "the cat sat on the mat",
        pair="the cat lay on the rug",
        model=_ENCODER,
        figure="2",
        layer=2,
        heads=(9,),
    ),
    Example(
        "A list",
        "For the soup she bought carrots, leeks, potatoes, onions and",
        model=_DECODER,
        figure="3",
        layer=9,
        heads=(0,),
    ),
    Example(
        "Verbs",
        "The child woke, stretched, yawned and then climbed out of bed",
        model=_DECODER,
        figure="3",
        layer=12,
        heads=(8,),
    ),
    Example(
        "An acronym",
        "The Coastal Weather Observation Service (CWOS) warned of a storm tonight",
        model=_DECODER,
        figure="3",
        layer=23,
        heads=(0,),
    ),
    Example(
        "Doctor, nurse: She",
        "The doctor asked the nurse a question. She",
        model=_DECODER,
        figure="4",
        layer=9,
        heads=(3, 4),
    ),
    Example(
        "Doctor, nurse: He",
        "The doctor asked the nurse a question. He",
        model=_DECODER,
        figure="4",
        layer=9,
        heads=(3, 4),
    ),
    Example(
        "Two cats: all heads",
        "the cat sat on the mat",
        pair="the cat lay on the rug",
        model=_ENCODER,
        figure="5",
        layer=0,
        view="model",
    ),
    Example(
        "Two cats: neurons",
        "the cat sat on the mat",
        pair="the cat lay on the rug",
        model=_ENCODER,
        figure="6",
        layer=0,
        heads=(2,),
        query="cat#1",
        view="neuron",
    ),
    Example(
        "Fox: neurons and distance",
        "The quick, brown fox jumps over the lazy",
        model=_DECODER,
        figure="7",
        layer=11,
        heads=(0,),
        query="lazy",
        view="neuron",
    ),
)
