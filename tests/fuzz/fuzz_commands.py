"""Throw odd values at every command of `attnscope`, in one process.

    python tests/fuzz/fuzz_commands.py FOLDER TRIES

prints JSON: how many command lines were tried, and the faults. Every one must end with code 0, with code 1 and one sentence, or
with code 2 and its usage; never with a traceback.
"""

from __future__ import annotations

import json
import os
import random
import sys
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
from helpers import tiny_models
from typer.testing import CliRunner

import attnscope
from attnscope.cli import app
from attnscope.errors import AttnscopeError

TEXTS = (
    "", " ", "\n", "a b", "🙂", "\ud800", "no such", "a " * 3000, "-1", "0", "1", "9" * 20, "nan", "inf", "-inf", "1e999",
    "0-99999999999", "3-1", "0-", "-", ",", "1,2,", "0x10", "１", "null", "[]", "{", "[" * 5000, '{"type":"ScaleHead"}',
    '{"type":"ScaleHead","layer":1,"head":1,"factor":NaN}', "the#2", "#", "4-5", "decoder", "ratio", "position", "column",
    "0.001", ".", "/", "absent/absent.pdf", "out.trace", "out.html", "out.pdf", "out.csv", "chat.json", "deep.json", "odd.json",
    "saved.trace", "q" * 300, "~nobody/x.trace", "q" * 5000 + ".trace", "\udcff.trace", "%s", "--help", "--",
)  # fmt: skip
COMMANDS: dict[str, tuple[list[str], tuple[str, ...]]] = {
    "trace": (
        ["MODEL", "-o", "out.trace", "--text", "a b"],
        ("--text", "--chat", "--pair", "--target", "--edit", "--edits", "-o"),
    ),
    "generate": (
        ["MODEL", "--text", "a b", "-n", "2"],
        (
            "--text",
            "--chat",
            "-n",
            "--temperature",
            "--top-k",
            "--top-p",
            "--seed",
            "--stop",
            "--edit",
            "--edits",
            "-o",
            "--target",
        ),
    ),
    "check": (["MODEL", "--text", "a b"], ("--text", "--pair", "--target")),
    "export": (
        ["saved.trace", "-o", "out.html"],
        ("--text", "--layers", "--view", "--layer", "--heads", "--token", "--form", "--error", "--max-mb", "-o"),
    ),
    "figure": (
        ["saved.trace", "-o", "out.svg"],
        (
            "--view",
            "--layer",
            "--heads",
            "--layers",
            "--token",
            "--stack",
            "--width",
            "--scale",
            "--filter",
            "--threshold",
            "--top",
            "-o",
            "--chat",
        ),
    ),
    "heads": (["saved.trace"], ("--by", "--top", "--stack", "--csv", "--text")),
    "patch": (
        ["MODEL", "--clean", "a b", "--corrupted", "a c"],
        ("--clean", "--corrupted", "--answer", "--foil", "--what", "--by", "--metric", "--stack", "--top", "-o"),
    ),
    "serve": (["absent", "--no-browser"], ("--host", "--port", "--token", "--allow-host")),
    "models": (["get", "absent"], ()),
}


def prepared(folder: Path) -> str:
    """A tiny model, a trace, and files of chats in `folder`; returns the model's folder."""
    model = folder / "tiny"
    hf_model, tokenizer = tiny_models.build("llama"), tiny_models.words_tokenizer()
    hf_model.save_pretrained(model)
    tokenizer.save_pretrained(model)
    attnscope.Model(hf_model, tokenizer).trace("a b c d").save(folder / "saved.trace")
    (folder / "chat.json").write_text('[{"role": "user", "content": "a"}]')
    (folder / "deep.json").write_text("[" * 100_000)
    (folder / "odd.json").write_bytes(b"\xff\xfe[")
    return str(model)


def odd_line(chance: random.Random, model: str) -> list[str]:
    """A command line that is valid but for one to three values."""
    name = chance.choice(list(COMMANDS))
    valid, options = COMMANDS[name]
    line = [name, *(model if part == "MODEL" else part for part in valid)]
    for _ in range(chance.randrange(1, 4)):
        if options and chance.random() < 0.8:
            line += [chance.choice(options), chance.choice(TEXTS)]
        else:
            line[chance.randrange(1, len(line))] = chance.choice(TEXTS)
    return line


def fault_of(line: list[str]) -> str | None:
    done = CliRunner().invoke(app, line, catch_exceptions=True)
    error = done.exception
    if isinstance(error, AttnscopeError):
        return None if 10 <= len(str(error)) <= 3000 else f"{line!r:.300}: no sentence: {error!r:.200}"
    if error is not None and not isinstance(error, SystemExit):
        return f"{line!r:.300}: {type(error).__name__}: {error!s:.200}"
    return None if done.exit_code in (0, 1, 2) else f"{line!r:.300}: exit code {done.exit_code}"


def main() -> None:
    folder, tries = Path(sys.argv[1]), int(sys.argv[2])
    os.chdir(folder)
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    model, chance = prepared(folder), random.Random(2)
    found = (fault_of(odd_line(chance, model)) for _ in range(tries))
    sys.stdout.write(json.dumps({"commands": tries, "faults": [one for one in found if one is not None]}))


if __name__ == "__main__":
    main()
