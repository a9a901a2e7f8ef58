"""RXNMapper, a model of chemical reactions: its tokenizer, which splits SMILES into atoms, bonds and brackets.

A SMILES string writes a molecule as a sequence of its atoms; `>>` separates reactants from products. A token is an atom ("C",
"Br", "[Na+]"), a bond, a bracket or a ring number (Schwaller et al. 2021, "Extraction of organic chemistry grammar from
unsupervised learning of chemical reactions"). The weights are converted to safetensors.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

_SMILES = r"\[[^\]]+\]|Br|Cl|>>|%\([0-9]{3}\)|%[0-9]{2}|."
"""Atoms in square brackets, atoms and symbols of more than one character, then single characters."""

_SPECIAL = {
    "unk_token": "[UNK]",
    "sep_token": "[SEP]",
    "pad_token": "[PAD]",
    "cls_token": "[CLS]",
    "mask_token": "[MASK]",
}


def prepare_reaction_model(folder: Path) -> None:
    """Replace the checkpoint and the word list in `folder` by safetensors and a tokenizer that transformers can load."""
    import transformers

    from attnscope.model.hf.verbosity import quiet

    with quiet():
        auto = cast(Any, transformers.AutoModelForMaskedLM)
        model = auto.from_pretrained(folder, local_files_only=True, weights_only=True)
        model.save_pretrained(folder)
        words = (folder / "vocab.txt").read_text("utf-8").split("\n")
        smiles_tokenizer([word for word in words if word]).save_pretrained(folder)
    (folder / "pytorch_model.bin").unlink()
    (folder / "vocab.txt").unlink()


def smiles_tokenizer(words: list[str]) -> Any:
    """A tokenizer for SMILES; the id of each word is its position in `words`."""
    import transformers
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors

    ids = {word: i for i, word in enumerate(words)}
    backend: Any = Tokenizer(cast(Any, models.WordLevel)(ids, unk_token=_SPECIAL["unk_token"]))
    backend.pre_tokenizer = pre_tokenizers.Split(Regex(_SMILES), "isolated")
    ends = [(mark, ids[mark]) for mark in (_SPECIAL["cls_token"], _SPECIAL["sep_token"])]
    backend.post_processor = cast(Any, processors.TemplateProcessing)(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=ends
    )
    return cast(Any, transformers.PreTrainedTokenizerFast)(tokenizer_object=backend, **_SPECIAL)
