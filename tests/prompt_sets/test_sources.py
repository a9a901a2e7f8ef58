"""Prompts from lists, tables, datasets and files."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pyarrow
import pytest

import attnscope

pytestmark = pytest.mark.core

ROWS = [
    {"text": "one", "n": 1, "ok": True},
    {"text": "two", "n": 2, "ok": False},
    {"text": "three", "n": 3, "ok": True},
]


class Dataset:
    """What this package uses of `datasets.Dataset`: its columns, its length, rows as dicts, and pandas."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.rows = rows
        self.read = 0

    @property
    def column_names(self) -> list[str]:
        return list(self.rows[0])

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for row in self.rows:
            self.read += 1
            yield row

    def to_pandas(self) -> pandas.DataFrame:
        return pandas.DataFrame(self.rows)


class Stream:
    """What this package uses of `datasets.IterableDataset`: after a map it doesn't know its columns, nor ever its length."""

    column_names = None

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(ROWS)

    def to_pandas(self) -> pandas.DataFrame:
        raise AssertionError("the whole stream was read")


class Polars:
    """What this package uses of `polars.DataFrame`, over which one iterates by column."""

    columns = ("text", "n", "ok")

    def __iter__(self) -> Iterator[list[Any]]:
        return iter([["one"], [1], [True]])

    def to_pandas(self) -> pandas.DataFrame:
        return pandas.DataFrame(ROWS)


def written(folder: Path, name: str, content: str, encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_bytes(content.encode(encoding))
    return path


def read(prompts: attnscope.PromptSet) -> list[dict[str, Any]]:
    return [{"text": prompt.text, **prompt.labels} for prompt in prompts]


@pytest.mark.parametrize(
    "source",
    [
        ROWS, tuple(ROWS), (row for row in ROWS), pandas.DataFrame(ROWS), pandas.DataFrame(ROWS, index=[5, 5, 7]),
        Dataset(ROWS), Stream(), Polars(), pyarrow.Table.from_pylist(ROWS),
    ],
    ids=["list", "tuple", "generator", "frame", "index", "dataset", "stream", "polars", "arrow"],
)  # fmt: skip
def test_a_table_gives_texts_and_labels(source: Any) -> None:
    made = attnscope.prompts(source)
    assert read(made) == ROWS
    assert [prompt.row for prompt in made] == [0, 1, 2]
    assert [type(value) for value in made[0].labels.values()] == [int, bool]
    assert (made.slots, made.templates) == ((), ())


@pytest.mark.parametrize("kind", [list, pandas.DataFrame, Dataset, pyarrow.Table.from_pylist])
def test_only_the_first_rows_are_read_with_a_limit(kind: Any) -> None:
    assert read(attnscope.prompts(kind(ROWS), limit=2)) == ROWS[:2]


def test_a_limited_dataset_is_not_read_further() -> None:
    source = Dataset(ROWS)
    attnscope.prompts(source, limit=2)
    assert source.read == 2


def test_a_list_of_texts() -> None:
    made = attnscope.prompts(["a {x}", np.str_("b")])
    assert [(prompt.text, type(prompt.text)) for prompt in made] == [("a {x}", str), ("b", str)]
    assert made.labels == ()
    assert attnscope.prompts(made) == made
    assert len(attnscope.prompts(made, limit=1)) == 1


def test_the_texts_are_in_the_column_that_is_named() -> None:
    made = attnscope.prompts([{"prompt": "Why?", "id": 3}], text="prompt")
    assert read(made) == [{"text": "Why?", "id": 3}]


def test_values_of_numpy_and_pandas_become_plain() -> None:
    frame = pandas.DataFrame({"text": ["a", "b"], "n": np.array([1, 2], np.int8), "f": np.array([0.5, 1], np.float32)})
    frame["kind"] = pandas.Categorical(["k", "l"])
    frame["missing"] = pandas.array([1, pandas.NA], dtype="Int64")
    assert read(attnscope.prompts(frame)) == [
        {"text": "a", "n": 1, "f": 0.5, "kind": "k", "missing": 1},
        {"text": "b", "n": 2, "f": 1.0, "kind": "l"},
    ]
    assert {type(value) for value in attnscope.prompts(frame)[0].labels.values()} == {int, float, str}


def test_whole_numbers_beside_others_become_floats() -> None:
    made = attnscope.prompts([{"text": "a", "n": 1}, {"text": "b", "n": 0.5}])
    assert [repr(prompt.labels["n"]) for prompt in made] == ["1.0", "0.5"]


def test_each_line_of_a_text_file_is_a_prompt(tmp_path: Path) -> None:
    path = written(tmp_path, "a.txt", "\ufeffone, two\r\n\r\n  thrée 東京\n \nlast {x}")
    made = attnscope.prompts(path)
    assert [prompt.text for prompt in made] == ["one, two", "  thrée 東京", "last {x}"]
    assert made.source == "a.txt"
    assert [prompt.text for prompt in attnscope.prompts(str(path), limit=2)] == ["one, two", "  thrée 東京"]


def test_a_csv_file(tmp_path: Path) -> None:
    content = '\ufefftext,n,share,ok,code,none\r\n"a, ""b""\r\nc",1,0.5,true,007,\r\nNA,-2,1e3,False,12,x\r\n'
    made = attnscope.prompts(written(tmp_path, "a.CSV", content))
    assert read(made) == [
        {"text": 'a, "b"\r\nc', "n": 1, "share": 0.5, "ok": True, "code": "007"},
        {"text": "NA", "n": -2, "share": 1000.0, "ok": False, "code": "12", "none": "x"},
    ]


def test_a_json_lines_file(tmp_path: Path) -> None:
    content = '\ufeff{"text": "a\\nb", "n": 1}\n\n{"text": "東京", "n": null, "k": "x"}\n'
    made = attnscope.prompts(written(tmp_path, "a.jsonl", content))
    assert read(made) == [{"text": "a\nb", "n": 1}, {"text": "東京", "k": "x"}]


def test_a_parquet_file(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pandas.DataFrame(ROWS, index=[2, 1, 0]).to_parquet(path)
    assert read(attnscope.prompts(path)) == ROWS
    assert read(attnscope.prompts(path, limit=2)) == ROWS[:2]


def test_slots_and_the_rest_of_a_prompt_are_read_from_their_columns(tmp_path: Path) -> None:
    content = '{"text": "the cat", "slots": {"noun": [4, 7]}, "row": 9, "template": 2, "order": "a,b", "k": 1}\n'
    (prompt,) = attnscope.prompts(written(tmp_path, "a.jsonl", content))
    assert prompt == attnscope.Prompt("the cat", {"noun": (4, 7)}, {"k": 1}, template=2, row=9, order="a,b")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ([], "`source` has no rows"),
        (["a", ""], "row 1 .* text '' is empty"),
        (["a", " \n"], "row 1 .* is empty"),
        (["a", "b", "a"], "row 2 .* 'a' would count twice .* row 0"),
        (["a", 5], "all texts or all dicts; row 0"),
        ([5], "all texts or all dicts; row 0 .* is 5"),
        (5, "must be a list, a DataFrame, a dataset or the path of a file; got 5"),
        (None, "got None"),
        (b"abc", "got b'abc'"),
        (["a\ud800"], "surrogates"),
        ({"train": Dataset(ROWS)}, "one split of a dictionary of datasets"),
        (pandas.DataFrame({"q": ["a"], "r": ["b"]}), "`source` has no column 'text'; its columns are 'q', 'r'"),
        (pandas.DataFrame({"text": ["a", None]}), "row 1 .* the column 'text' has no text"),
        (pandas.DataFrame({"text": ["a", float("nan")]}), "row 1 .* the column 'text' has no text"),
        (pandas.DataFrame({"text": ["a", 5]}), "row 1 .* must be a string"),
        (pandas.DataFrame([[1, 2]], columns=["a", "a"]), "two columns named 'a'"),
        (pandas.DataFrame([[1, 2]]), "a column named 0"),
        (pandas.DataFrame({"text": ["a"], "": [1]}), "a column without a name"),
        (pandas.DataFrame({"text": ["a"], "t": [pandas.Timestamp(0)]}), "column 't' must hold texts, finite numbers"),
        (pandas.DataFrame({"text": ["a"], "f": [float("inf")]}), "column 'f' must hold texts, finite numbers"),
        (pandas.DataFrame({"text": ["a", "b"], "m": [True, 1]}, dtype=object), "'m' mixes True or False and numbers"),
        (pandas.DataFrame({"text": ["a"], "prompt": [1]}), "cannot be called 'prompt'"),
        ([{"text": "ab", "slots": {"x": [0, 3]}}], "row 0 .* characters 0 to 3 of a text of 2"),
        ([{"text": "ab", "slots": {"x": [1, 1]}}], "characters 1 to 1"),
        ([{"text": "ab", "slots": {"x": 1}}], r"must be \(start, end\)"),
        ([{"text": "ab", "slots": "x"}], "'slots' must hold JSON objects"),
        ([{"text": "ab", "order": 1}], '"order" must hold texts'),
        ([{"text": "ab", "row": 0.5}], "'row' must hold whole numbers"),
        ([{"text": "ab", "template": -1}], "'template' must hold whole numbers"),
        ([{"text": None, "random": {"length": 5}}], '"random" must hold a length and a seed'),
        ([{"text": None, "random": {"length": 0, "seed": 1}}], "`length` must be a whole number"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_table_is_said(source: Any, message: str) -> None:
    with pytest.raises(attnscope.InputError, match=message):
        attnscope.prompts(source)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", " \n\n", "a.txt' is empty: it has no lines"),
        ("a.csv", "", "a.csv' is empty: it has no rows"),
        ("a.csv", "text,n\n", "a.csv' is empty: it has no rows"),
        ("a.jsonl", "\n", "a.jsonl' is empty: it has no rows"),
        ("a.parquet", "", "not a valid Parquet file"),
        ("a.parquet", "PAR1", "not a valid Parquet file"),
        ("a.csv", "text\na, 1\n", "not a valid CSV file .*line 2"),
        ("a.csv", 'text\n"abc\n', "not a valid CSV file"),
        ("a.csv", "text;n\na;1\n", "no column 'text'; its columns are 'text;n'"),
        ("a.csv", "text,n\n,1\n", "row 0 .* column 'text' has no text"),
        ("a.csv", "text,n\na\n", None),
        ("a.csv", ",n\na,1\n", "a column without a name"),
        ("a.csv", "n,n\na,1\n", "two columns named 'n'"),
        ("a.jsonl", '{"text": "a"}\n{"text":\n', "line 2, is not JSON"),
        ("a.jsonl", '{"text": "a"}\n\n[1]\n', r"line 3, is not a JSON object but '\[1\]'"),
        ("a.jsonl", '{"text": "a"}\n\n{"q": "b"}\n', "line 3: the column 'text' has no text"),
        ("a.jsonl", '{"text": "a"}\n{"text": "a"}\n', "line 2: the prompt 'a' would count twice .*line 1"),
        ("a.jsonl", '{"text": "a", "n": NaN}\n', None),
        ("a.jsonl", '{"text": "a", "n": Infinity}\n', "line 1: the column 'n' must hold texts, finite numbers"),
        ("a.txt", "a\nb\na\n", "line 3: the prompt 'a' would count twice .*line 1"),
        ("a.json", "[]", "unknown ending; prompts are read from .txt, .csv, .jsonl, .parquet"),
        ("a", "b", "unknown ending"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path: Path, name: str, content: str, message: str | None) -> None:
    path = written(tmp_path, name, content)
    if message is None:  # a label may be missing
        assert read(attnscope.prompts(path)) == [{"text": "a"}]
        return
    with pytest.raises(attnscope.InputError, match=message):
        attnscope.prompts(path)
    with pytest.raises(attnscope.InputError, match=message):
        attnscope.prompts(str(path))


@pytest.mark.parametrize("name", ["a.txt", "a.csv", "a.jsonl"])
def test_other_encodings_are_reported(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, name, "text\näö\n", "latin-1")
    with pytest.raises(attnscope.InputError, match="not UTF-8"):
        attnscope.prompts(path)


def test_files_that_are_not_there_or_not_local(tmp_path: Path) -> None:
    with pytest.raises(attnscope.MissingError, match=r"no file 'notes\.txt'.*pass it in a list"):
        attnscope.prompts("notes.txt")
    with pytest.raises(attnscope.InputError, match="only local files"):
        attnscope.prompts("https://example.org/a.csv")
    with pytest.raises(attnscope.InputError, match="is a folder"):
        attnscope.prompts(tmp_path)
    with pytest.raises(attnscope.InputError, match="unknown ending"):
        attnscope.prompts("prompts.json")


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, "a.txt", "a")

    def refuse(*args: Any, **options: Any) -> None:
        raise PermissionError(errno.EACCES, "no")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(attnscope.InputError, match=r"Cannot read '.*a\.txt': permission denied"):
        attnscope.prompts(path)
