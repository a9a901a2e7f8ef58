"""Build a small tokenizer of any class of transformers, from files or lists made here."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import transformers

from attnscope.trace.byte_level import BYTE_OF

WORDS = ("the", "The", "house", "das", "Haus", "ist")
"""Words that are one piece each. Other words are written in characters, which are pieces too."""

_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,!?-'é中"
_ALPHABET = {byte: char for char, byte in BYTE_OF.items()}


def byte_level(text: str) -> str:
    """A text in the printable alphabet of GPT-2."""
    return "".join(_ALPHABET[byte] for byte in text.encode())


def merges_of(pieces: Sequence[Sequence[str]]) -> list[tuple[str, str]]:
    """The merges that build each piece from its parts, from the left."""
    found: dict[tuple[str, str], None] = {}
    for parts in pieces:
        built = parts[0]
        for part in parts[1:]:
            found[built, part] = None
            built += part
    return list(found)


def vocabulary(special: Sequence[str], letters: Sequence[str], merges: Sequence[tuple[str, str]]) -> dict[str, int]:
    """A BPE vocabulary: special tokens, letters, and whatever the merges build."""
    return {piece: at for at, piece in enumerate(dict.fromkeys([*special, *letters, *map("".join, merges)]))}


def bpe_files(folder: Path, *, special: Sequence[str], mark: str) -> dict[str, str]:
    """`vocab.json` and `merges.txt` of a BPE tokenizer that marks the end of a word ("</w>") or what goes on ("@@")."""
    ends = [f"{one}</w>" for one in _LETTERS]
    merges = merges_of([[*word[:-1], f"{word[-1]}</w>"] for word in WORDS])
    pieces = vocabulary(special, [*_LETTERS, *ends], merges)
    if mark == "@@":
        joined = [piece.removesuffix("</w>") if piece.endswith("</w>") else f"{piece}@@" for piece in pieces]
        joined = [one.removesuffix("@@") if one.removesuffix("@@") in special else one for one in joined]
        pieces = {piece: at for at, piece in enumerate(dict.fromkeys(joined))}
    (folder / "vocab.json").write_text(json.dumps(pieces, ensure_ascii=False), encoding="utf-8")
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return {"vocab_file": str(folder / "vocab.json"), "merges_file": str(folder / "merges.txt")}


def sentencepiece_file(folder: Path, name: str, words: Sequence[str] = WORDS, **options: Any) -> str:
    """A SentencePiece model that was trained on a few words."""
    import sentencepiece

    sentences = [" ".join(words), *words, " ".join(reversed(words)), *_LETTERS] * 20
    model = io.BytesIO()
    settings: dict[str, Any] = {
        "vocab_size": 90,
        "hard_vocab_limit": False,
        "character_coverage": 1.0,
        "num_threads": 1,
        "minloglevel": 2,
        **options,
    }
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(sentences), model_writer=model, **settings)
    path = folder / name
    path.write_bytes(model.getvalue())
    return str(path)


def _spm_pieces(path: str) -> list[str]:
    import sentencepiece

    model = sentencepiece.SentencePieceProcessor(model_file=path)
    return [model.id_to_piece(at) for at in range(model.get_piece_size())]


def marian(folder: Path, *, separate: bool = True) -> Any:
    """A Marian tokenizer; by default with a vocabulary for each side, in which the same id is another piece."""
    folder.mkdir(parents=True, exist_ok=True)
    source = sentencepiece_file(folder, "source.spm", ("the", "The", "house", "is"), vocab_size=80)
    target = sentencepiece_file(folder, "target.spm", ("das", "Haus", "ist", "und"), vocab_size=86)
    own = [one for one in _spm_pieces(source) if not one.startswith("<")]
    other = [one for one in _spm_pieces(target) if not one.startswith("<")]
    sides = (own, list(reversed(other))) if separate else ([*own, *other], None)
    files: dict[str, Any] = {"vocab": "vocab.json", "target_vocab_file": "target_vocab.json"}
    for (argument, file), pieces in zip(files.items(), sides, strict=True):
        if pieces is None:
            continue
        listed = dict.fromkeys(["</s>", "<unk>", *pieces, "<pad>"])
        (folder / file).write_text(json.dumps({piece: at for at, piece in enumerate(listed)}), encoding="utf-8")
        files[argument] = str(folder / file)
    if not separate:
        del files["target_vocab_file"]
    return transformers.MarianTokenizer(
        source_spm=source, target_spm=target, source_lang="en", target_lang="de", separate_vocabs=separate, **files
    )


def fsmt(folder: Path) -> Any:
    """An FSMT tokenizer with a vocabulary for each side, in which the same id is another piece."""
    folder.mkdir(parents=True, exist_ok=True)
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    files = bpe_files(folder, special=special, mark="</w>")
    pieces = list(json.loads(Path(files["vocab_file"]).read_text(encoding="utf-8")))
    turned = [*special, *reversed([piece for piece in pieces if piece not in special])]
    target = folder / "target.json"
    target.write_text(json.dumps({piece: at for at, piece in enumerate(turned)}), encoding="utf-8")
    return transformers.FSMTTokenizer(
        langs=["en", "de"],
        src_vocab_file=files["vocab_file"],
        tgt_vocab_file=str(target),
        merges_file=files["merges_file"],
    )


def made(name: str, folder: Path) -> Any:
    """A small tokenizer of this class. Raises whatever the class raises where it needs something that is not made here."""
    folder.mkdir(parents=True, exist_ok=True)
    if name in _BY_NAME:
        return _BY_NAME[name](folder)
    kind: Any = getattr(transformers, name)
    return _fast(kind) if issubclass(kind, transformers.PreTrainedTokenizerFast) else _slow(kind, folder)


def wrapped(tokenizer: Any) -> Any:
    """The same tokenizer, loaded from its `tokenizer.json` alone."""
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer.backend_tokenizer, unk_token=tokenizer.unk_token, eos_token=tokenizer.eos_token
    )


def _fast(kind: Any) -> Any:
    """A tokenizer of the tokenizers library: its own default vocabulary, to which pieces are added."""
    default = kind()
    model = default.backend_tokenizer.model
    own = [piece for piece, _ in sorted(default.get_vocab().items(), key=lambda one: one[1])]
    described = default.backend_tokenizer.to_str()
    match type(model).__name__:
        case "WordPiece":
            pieces = [*own, *WORDS, *map(str.lower, WORDS), *_LETTERS, *(f"##{letter}" for letter in _LETTERS)]
            return kind(vocab={piece: at for at, piece in enumerate(dict.fromkeys(pieces))})
        case "Unigram":
            own = _with_unknown(own, json.loads(described)["model"]["unk_id"], str(default.unk_token))
            pieces = [*own, "▁", *(f"▁{word}" for word in WORDS), *_LETTERS]
            scores = {
                piece: 0.0 if at < len(own) else -3.0 - (len(piece) == 1)
                for at, piece in enumerate(dict.fromkeys(pieces))
            }
            return kind(vocab=list(scores.items()))
        case _:
            return kind(**_bpe(own, described))


def _with_unknown(own: list[str], at: int, unknown: str) -> list[str]:
    """Special tokens such that the unknown token is where the class expects it."""
    others = [piece for piece in own if piece != unknown]
    while len(others) < at:
        others.append(f"<unused{len(others)}>")
    return [*others[:at], unknown, *others[at:]]


def _bpe(own: Sequence[str], described: str) -> dict[str, Any]:
    """Vocabulary and merges of a BPE tokenizer, in the way in which its description writes words."""
    end = "</w>" if '"end_of_word_suffix":"</w>"' in described else ""
    if '"ByteLevel"' in described:
        letters = [*BYTE_OF, *(f"{char}{end}" for char in BYTE_OF if end)]
        words = [byte_level(space + word) for word in WORDS for space in ("", *([] if end else [" "]))]
    elif end:
        letters, words = [*_LETTERS, *(f"{letter}{end}" for letter in _LETTERS)], list(WORDS)
    else:
        letters = [*_LETTERS, "▁", *(f"<0x{byte:02X}>" for byte in range(256))]
        words = [f"▁{word}" for word in WORDS]
    merges = merges_of([[*word[:-1], f"{word[-1]}{end}"] for word in words])
    return {"vocab": vocabulary(own, letters, merges), "merges": merges}


def _slow(kind: Any, folder: Path) -> Any:
    """A tokenizer in Python, from files by the names of its arguments."""
    import inspect

    names = list(inspect.signature(kind.__init__).parameters)
    files: dict[str, str] = {}
    special = _special(kind)
    if "merges_file" in names:
        mark = "@@" if kind.__name__ in _JOINED else "</w>"
        files = bpe_files(folder, special=special, mark=mark)
    elif any(parent.__name__ == "SentencePieceBackend" for parent in kind.__mro__):
        files = {"vocab_file": sentencepiece_file(folder, "spiece.model")}
    elif "vocab_file" in names:
        pieces = [f"##{letter}" for letter in _LETTERS] if kind.__name__ in _WORD_PIECES else []
        pieces += [] if hasattr(kind, "word_delimiter_token") else list(map(str.lower, WORDS))
        files = _word_list(folder, [*special, *pieces], as_json="vocab.json" in _files_of(kind))
    files |= {name: make(folder) for name, make in _MORE_FILES.items() if name in names and name not in files}
    if kind.__name__ in _COUNTED:  # fairseq's format: each piece with its count, without the special tokens
        pieces = [
            piece for piece in json.loads(Path(files["vocab_file"]).read_text(encoding="utf-8")) if piece not in special
        ]
        path = folder / "dict.txt"
        path.write_text("".join(f"{piece} 1\n" for piece in pieces), encoding="utf-8")
        files["vocab_file"] = str(path)
    return kind(**files)


def _word_list(folder: Path, first: Sequence[str], *, as_json: bool) -> dict[str, str]:
    """A vocabulary of these pieces and of letters."""
    pieces = dict.fromkeys([*first, *_LETTERS])
    path = folder / ("vocab.json" if as_json else "vocab.txt")
    lines = json.dumps({piece: at for at, piece in enumerate(pieces)}) if as_json else "\n".join(pieces) + "\n"
    path.write_text(lines, encoding="utf-8")
    return {"vocab_file": str(path)}


def _files_of(kind: Any) -> list[str]:
    """The names of the files that a class reads."""
    return list(getattr(kind, "vocab_files_names", {}).values())


def _spm(folder: Path) -> str:
    """A SentencePiece model beside a vocabulary with other ids."""
    path = sentencepiece_file(folder, "other.spm")
    pieces = dict.fromkeys(["<s>", "<pad>", "</s>", "<unk>", *_spm_pieces(path)])
    (folder / "vocab.json").write_text(json.dumps({piece: at for at, piece in enumerate(pieces)}), encoding="utf-8")
    return path


def _numbered(folder: Path) -> str:
    """A number for each word of the vocabulary, which stands for its shape or sound."""
    path = folder / "numbers.json"
    words = (folder / "vocab.txt").read_text(encoding="utf-8").split("\n")
    path.write_text(json.dumps({word: at for at, word in enumerate(words)}), encoding="utf-8")
    return str(path)


def _special(kind: Any) -> list[str]:
    """The special tokens that the constructor of a class names."""
    import inspect

    defaults = inspect.signature(kind.__init__).parameters.values()
    named = [str(one.default) for one in defaults if one.name.endswith("_token") and isinstance(one.default, str)]
    return list(dict.fromkeys(named))


_MORE_FILES: Mapping[str, Callable[[Path], str]] = {
    "spm_file": _spm,
    "word_shape_file": _numbered,
    "word_pronunciation_file": _numbered,
}
_WORD_PIECES = frozenset({"BertJapaneseTokenizer", "ProphetNetTokenizer", "RoCBertTokenizer", "TapasTokenizer"})
_COUNTED = frozenset({"BertweetTokenizer", "PhobertTokenizer"})
_JOINED = frozenset({"BertweetTokenizer", "PhobertTokenizer", "CTRLTokenizer", "BlenderbotSmallTokenizer"})
_BY_NAME: Mapping[str, Callable[[Path], Any]] = {"MarianTokenizer": marian, "FSMTTokenizer": fsmt}
