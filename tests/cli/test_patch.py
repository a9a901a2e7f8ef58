"""`attnscope patch`, run as a command: the largest effects, the summary, the file, and errors."""

from __future__ import annotations

from pathlib import Path

import pandas
import pytest
import torch
import transformers as tf
from helpers.run_command import one_sentence, run_attnscope
from helpers.tiny_models import words_tokenizer

CLEAN, CORRUPTED = "The capital of France is", "The capital of Spain is"
PROMPTS = ("patch", "smollm2", "--clean", CLEAN, "--corrupted", CORRUPTED)


def test_the_largest_effects_come_first_and_all_are_written_to_a_file(tmp_path):
    path = tmp_path / "sweep.csv"
    done = run_attnscope(
        *PROMPTS, "--answer", " Paris", "--what", "residual", "--by", "layer", "--top", "3", "-o", str(path)
    )
    assert done.returncode == 0, done.stderr
    assert "3 of 30 results, by effect. probability of ' Paris'" in done.stdout.replace("\n", " ")
    found = pandas.read_csv(path)
    assert list(found.columns) == ["layer", "value", "effect", "restored", "unchanged"] and len(found) == 30
    assert (
        float(found["restored"].sub(1).abs().to_numpy().max()) < 1e-3
    )  # patching the whole residual stream gives the clean prompt's result


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("--clean", CLEAN, "--corrupted", f"{CORRUPTED} not", "--unequal", "first"),
            "must be one of last, skip, mean",
        ),
        (("--clean", CLEAN, "--corrupted", CORRUPTED, "-o", "/no/such/folder/x.csv"), "does not exist"),
    ],
)
def test_invalid_patching_is_an_error(arguments, said):
    assert said in one_sentence(run_attnscope("patch", "smollm2", *arguments))


def test_layers_without_attention_are_not_ranked(tmp_path: Path) -> None:
    torch.manual_seed(0)
    sizes = {"vocab_size": 20, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "head_dim": 16}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 1, "layer_types": ["linear_attention", "full_attention"]}
    linear = {"linear_num_key_heads": 2, "linear_num_value_heads": 2}
    widths = {"linear_key_head_dim": 8, "linear_value_head_dim": 8}
    tf.Qwen3_5ForCausalLM(tf.Qwen3_5TextConfig(**sizes, **heads, **linear, **widths)).save_pretrained(tmp_path)
    words_tokenizer("a b c d").save_pretrained(tmp_path)
    done = run_attnscope("patch", str(tmp_path), "--clean", "a b c", "--corrupted", "a d c", "--answer", "b")
    assert done.returncode == 0, done.stderr
    assert "2 of 2 results, by effect" in done.stdout
    assert "nan" not in done.stdout
