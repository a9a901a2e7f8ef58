"""`attnscope study`, and `heads` and `patch` over many texts: tables with n and interval, files, and errors."""

from __future__ import annotations

import json
from pathlib import Path

import pandas
import pytest
from helpers.run_command import one_sentence, run_attnscope
from helpers.tiny_text_model import tiny_text_model

import attnscope

TEMPLATE = "The {x} asked the {y} a question. {p}"
NOUNS = [
    ("doctor", "nurse"), ("engineer", "secretary"), ("mechanic", "librarian"), ("pilot", "dancer"), ("farmer", "maid"),
    ("soldier", "nanny"), ("driver", "cashier"), ("chef", "baker"), ("lawyer", "cleaner"),
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(smollm2: attnscope.Model, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A tiny model in a folder."""
    path = tmp_path_factory.mktemp("tiny")
    tiny_text_model(smollm2.tokenizer).hf_model.save_pretrained(path)
    smollm2.tokenizer.save_pretrained(path)
    return str(path)


@pytest.fixture
def rows(tmp_path: Path) -> str:
    path = tmp_path / "rows.csv"
    pandas.DataFrame(NOUNS, columns=["x", "y"]).to_csv(path, index=False)
    return str(path)


def study(folder: str, prompts: str, *arguments: str, **options):
    return run_attnscope("study", folder, prompts, *arguments, **options)


def filled(rows: str) -> tuple[str, ...]:
    return (rows, "--template", TEMPLATE, "--cross", "p=She,He", "--swap", "x,y")


def test_a_contrast_is_one_command(folder, rows, tmp_path):
    out = tmp_path / "out"
    done = study(
        folder, *filled(rows), "--ask", "contrast", "--query", "p", "--key", "y", "--key", "x",
        "--between", "p,She,He", "--top", "3", "-o", str(out),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = done.stdout.replace("\n", " ")
    assert "3 of 8 by |mean| of contrast. Double difference" in said
    assert "18 inputs from 9 independent units" in said
    assert {path.name for path in out.iterdir()} == {"contrast.parquet", "contrast-summary.csv", "contrast.pdf"}
    summary = pandas.read_csv(out / "contrast-summary.csv")
    prompts = attnscope.prompts(
        TEMPLATE, rows=[{"x": x, "y": y} for x, y in NOUNS], cross={"p": ["She", "He"]}, swap=("x", "y")
    )
    expected = attnscope.Study(attnscope.load(folder), prompts, cache=False).contrast(
        "p", ("y", "x"), between=("p", "She", "He")
    )
    assert summary["mean"].tolist() == pytest.approx(expected.summary()["mean"].tolist(), abs=1e-5)
    assert attnscope.Result.open(out / "contrast.parquet").units == 9


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--ask", "mediate", "--between", "p,She,He", "--answer", " is", "--foil", " was"), "by |mean| of indirect"),
        (("--ask", "edge", "--query", "p", "--key", "x"), "by mean of weight"),
        (("--ask", "decays"), "by |mean| of slope"),
        (("--ask", "states", "--answer", " said"), "by mean of log probability"),
        (("--ask", "scale", "--head", "1.2", "--count", "1", "--controls", "2"), "pairs of q × 0"),
        (
            (
                "--ask",
                "effect",
                "--edit",
                '{"type": "ScaleHead", "layer": 1, "head": 2, "factor": 0}',
                "--answer",
                " a",
            ),
            "the edit is rank",
        ),
    ],
    ids=["mediate", "edge", "decays", "states", "scale", "effect"],
)
def test_every_question_is_one_command(folder, rows, arguments, said):
    done = study(folder, *filled(rows), "--limit", "2", *arguments)
    assert done.returncode == 0, done.stderr
    assert said in done.stdout.replace("\n", " ")


def test_mediation_is_restricted_to_layers_and_heads(folder, rows, tmp_path):
    out = tmp_path / "out"
    done = study(
        folder, *filled(rows), "--limit", "2", "--ask", "mediate", "--between", "p,She,He", "--answer", " is",
        "--foil", " was", "--layers", "1", "--heads", "0,2-3", "-o", str(out),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    cells = pandas.read_csv(out / "mediate-summary.csv")[["layer", "head"]]
    assert cells.to_numpy().tolist() == [[1, 0], [1, 2], [1, 3]]


def test_texts_come_from_standard_input(folder):
    done = study(folder, "-", "--ask", "match", "--pattern", "previous", stdin="One two three.\n\nFour five six.\n")
    assert done.returncode == 0, done.stderr
    assert "2 inputs from 2 independent units" in done.stdout.replace("\n", " ")
    assert "fewer than 8, so there is no interval" in done.stdout.replace("\n", " ")


def test_a_shipped_set_is_named(folder):
    done = study(folder, "occupations", "--limit", "8", "--ask", "edge", "--query", "p", "--key", "x")
    assert done.returncode == 0, done.stderr
    assert "8 inputs from 2 independent units" in done.stdout.replace("\n", " ")


def test_heads_are_measured_on_many_texts(folder, tmp_path):
    (tmp_path / "texts.txt").write_text("One two three four.\nFive six seven.\n")
    csv = tmp_path / "heads.csv"
    done = run_attnscope("heads", folder, "--texts", str(tmp_path / "texts.txt"), "--by", "distance", "--csv", str(csv))
    assert done.returncode == 0, done.stderr
    assert "of 8 by mean of distance" in done.stdout.replace("\n", " ")
    assert pandas.read_csv(csv)["prompt"].nunique() == 2


def test_many_pairs_are_patched(folder, tmp_path):
    table = tmp_path / "pairs.jsonl"
    rows = [
        {"clean": "The capital of France is", "corrupted": "The capital of Spain is", "answer": " Paris"},
        {"clean": "The capital of Italy is", "corrupted": "The capital of Japan is", "answer": " Rome"},
    ]
    table.write_text("\n".join(map(json.dumps, rows)))
    done = run_attnscope("patch", folder, "--pairs", str(table), "--top", "2", "-o", str(tmp_path / "x.csv"))
    assert done.returncode == 0, done.stderr
    assert "2 of 8 by |mean| of effect" in done.stdout.replace("\n", " ")
    found = pandas.read_csv(tmp_path / "x.csv")
    alone = attnscope.load(folder).patch(rows[1]["clean"], rows[1]["corrupted"], answer=" Rome").frame()
    assert found["effect"].to_numpy()[8:] == pytest.approx(alone["effect"].to_numpy(), abs=1e-5)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nothing.csv",), "There is no file 'nothing.csv'"),
        (("occupations", "--ask", "size"), "--ask must be one of"),
        (("occupations", "--ask", "contrast", "--query", "p"), "needs --key"),
        (("occupations", "--ask", "contrast", "--query", "p", "--key", "x"), "needs two --key; got 1"),
        (("occupations", "--ask", "patch", "--answer", "a", "--between", "p,She"), "--between is a label and two of its values"),
        (("occupations", "--ask", "decay", "--head", "3"), "--head is a layer and a head"),
        (("occupations", "--ask", "effect", "--answer", " is"), "needs an edit"),
        (("occupations", "--query", "p"), "--ask heads does not use --query. Drop it."),
        (
            ("occupations", "--ask", "decays", "--off-sink", "--factor", "0"),
            "--ask decays does not use --factor and --off-sink. Drop them.",
        ),
        (("occupations", "--cross", "p=She,He"), "Add --template"),
        (("-",), "Standard input is empty"),
        (("occupations", "--ask", "edge", "--query", "p", "--key", "zebra", "--limit", "1"), "is not a word of the text"),
    ],
)  # fmt: skip
def test_invalid_studies_are_errors(folder, arguments, said):
    assert said in one_sentence(study(folder, *arguments, stdin=""))


def test_pairs_without_their_columns_are_an_error(folder, tmp_path):
    (tmp_path / "p.csv").write_text("clean,other\nA b,c d\n")
    said = one_sentence(run_attnscope("patch", folder, "--pairs", str(tmp_path / "p.csv")))
    assert "need the columns clean and corrupted" in said


def test_a_file_is_no_folder_for_results(folder, tmp_path):
    (tmp_path / "file").write_text("")
    assert "is not a folder" in one_sentence(study(folder, "occupations", "-o", str(tmp_path / "file")))


def test_the_help_names_every_shipped_set():
    said = " ".join(run_attnscope("study", "--help").stdout.replace("│", " ").split())
    assert ", ".join(attnscope.prompts.shipped()) in said


def test_labels_may_be_numbers(folder, tmp_path):
    (tmp_path / "t.csv").write_text("text,n,row\nOne two three,1,0\nOne two four,2,0\n")
    done = study(
        folder,
        str(tmp_path / "t.csv"),
        "--ask",
        "contrast",
        "--query",
        "2",
        "--key",
        "1",
        "--key",
        "0",
        "--between",
        "n,1,2",
    )
    assert done.returncode == 0, done.stderr


def test_rows_from_standard_input_are_read_like_those_of_a_file(folder):
    options = ("-", "--template", "{x} two three", "--ask", "edge", "--query", "2", "--key", "x")
    done = study(folder, *options, stdin='x,row\n"One, 007",0\n')
    assert done.returncode == 0, done.stderr
    assert "not a valid CSV file" in one_sentence(study(folder, *options, stdin="x\na,b\n"))
    assert "is empty" in one_sentence(study(folder, *options, stdin="x\n"))


def test_pairs_may_share_their_clean_prompt_and_have_rows(folder, tmp_path):
    text = "clean,corrupted,row,kind\nOne two,One six,0,a\nOne two,One ten,0,b\nFive two,Five ten,1,b\n"
    done = run_attnscope(
        "patch", folder, "--pairs", "-", "--answer", " three", "-o", str(tmp_path / "x.csv"), stdin=text
    )
    assert done.returncode == 0, done.stderr
    assert "3 inputs from 2 independent units" in done.stdout.replace("\n", " ")
    assert pandas.read_csv(tmp_path / "x.csv").groupby("pair")["kind"].first().tolist() == ["a", "b", "b"]


@pytest.mark.parametrize(("stdin", "said"), [("", "is empty"), ("clean,corrupted\nOne,\n", "has no text")])
def test_pairs_that_are_missing_are_an_error(folder, stdin, said):
    assert said in one_sentence(run_attnscope("patch", folder, "--pairs", "-", stdin=stdin))


def test_a_folder_that_cannot_be_made_is_said_before_anything_runs(folder, tmp_path):
    (tmp_path / "file").write_text("")
    assert "cannot be written to" in one_sentence(study(folder, "occupations", "-o", str(tmp_path / "file" / "out")))
