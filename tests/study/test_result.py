"""Results: tidy tables, summaries over units, files."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import attnscope
from attnscope import DamagedError, InputError, MissingError
from attnscope.study.result import Ratio, Result


def result(values: np.ndarray, *, units=None, order=None, **options) -> Result:
    inputs = pd.DataFrame({"prompt": range(len(values)), "unit": range(len(values)) if units is None else units})
    if order is not None:
        inputs["order"] = order
    cells = pd.DataFrame({"layer": [0] * values.shape[1], "head": range(values.shape[1])})
    return Result("edge", "Attention.", inputs, cells, {"weight": values}, **options)


def test_the_frame_has_a_row_for_each_input_and_cell():
    found = result(np.array([[1.0, 2.0], [3.0, 4.0]])).frame()
    assert list(found.columns) == ["prompt", "unit", "layer", "head", "weight"]
    assert found[["prompt", "head", "weight"]].values.tolist() == [[0, 0, 1], [0, 1, 2], [1, 0, 3], [1, 1, 4]]


def test_the_summary_counts_units_and_gives_each_the_same_weight():
    found = result(np.array([[1.0], [1.0], [1.0], [5.0]]), units=[0, 0, 0, 1]).summary()
    assert list(found.columns) == ["layer", "head", "mean", "low", "high", "n"]
    assert found["mean"].tolist() == [3.0]
    assert found["n"].tolist() == [2]


def test_few_units_have_values_but_no_interval_and_say_so():
    found = result(np.ones((7, 1))).summary()
    assert found[["low", "high"]].isna().all().all()
    assert "7 units: fewer than 8" in " ".join(found.attrs["notes"])


def test_top_ranks_signed_values_by_their_size():
    values = np.array([[0.1, -0.9, 0.5, np.nan]])
    assert result(values, signed=True).top(2)["head"].tolist() == [1, 2]
    assert result(values).top(9)["head"].tolist() == [2, 0, 1]
    assert result(values).top(1, lowest=True)["head"].tolist() == [1]
    assert result(values, signed=True).top(1, lowest=True)["head"].tolist() == [1]


def test_held_out_units_report_on_heads_that_other_units_chose():
    rng = np.random.default_rng(0)
    found = result(rng.normal(size=(40, 200)))
    plain, honest = found.top(5), found.top(5, held_out=True)
    assert plain["mean"].min() > 0.3  # the largest of 200 noisy means
    assert abs(honest["mean"].mean()) < 0.3  # which is luck
    assert honest["n"].tolist() == [20] * 5
    assert (honest["chosen_by"] > 0.3).all()


def test_the_double_difference_is_0_where_the_orders_disagree():
    values = np.array([[1.0, 1.0], [-2.0, 3.0], [1.0, 1.0], [-2.0, 5.0]])
    found = result(values, units=[0, 0, 1, 1], order=["x,y", "y,x"] * 2, summaries={"weight": "nearer zero"})
    assert found.summary()["mean"].tolist() == [0.0, 1.0]


def test_a_ratio_is_one_of_sums():
    base = result(np.array([[1.0], [3.0]]))
    ratio = Result(
        base.question, base.sentence, base.inputs, base.cells,
        {"a": np.array([[1.0], [3.0]]), "b": np.array([[1.0], [7.0]])}, {"share": Ratio("a", "b")},
    )  # fmt: skip
    assert ratio.summary("share")["mean"].tolist() == [0.5]


def test_q_values_find_the_head_with_an_effect():
    values = np.random.default_rng(1).normal(size=(24, 30))
    values[:, 7] += 1.5
    found = result(values, signed=True).summary(test=True)
    assert found["q"].idxmin() == 7
    assert found["q"].min() < 0.01
    assert (found["q"].drop(7) > 0.05).all()


def test_a_sign_flip_test_needs_differences_and_12_units():
    with pytest.raises(InputError, match="for differences"):
        result(np.ones((12, 1))).summary(test=True)
    with pytest.raises(InputError, match="at least 12"):
        result(np.ones((11, 1)), signed=True).summary(test=True)


def test_where_keeps_the_inputs_with_a_label():
    found = result(np.array([[1.0], [2.0], [4.0]]), order=["a", "b", "b"]).where(order="b")
    assert found.values["weight"].tolist() == [[2.0], [4.0]]
    with pytest.raises(InputError, match="no label 'kind'"):
        found.where(kind=1)
    with pytest.raises(InputError, match="No input has order='c'"):
        found.where(order="c")


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda one: one.summary("size"), "There is no value 'size'; the values are weight"),
        (lambda one: one.summary(level=95), "`level` must be between 0 and 1"),
        (lambda one: one.top(0), "`k` must be a whole number from 1"),
        (lambda one: one.save("x.txt"), "a .parquet or a .csv file"),
    ],
)
def test_wrong_arguments_are_explained(call, words):
    with pytest.raises(InputError, match=words):
        call(result(np.ones((2, 2))))


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_a_saved_result_opens_equal(tmp_path, ending):
    values = np.random.default_rng(0).normal(size=(9, 3))
    values[0, 0] = np.nan
    made = result(values, order=["x,y", None, "y,x"] * 3, signed=True, summaries={"weight": "nearer zero"},
                  notes=("A note.",), provenance={"model": {"title": "tiny"}, "arguments": {"query": "p"}})  # fmt: skip
    path = tmp_path / f"r.{ending}"
    made.save(path)
    opened = Result.open(path)
    assert np.array_equal(opened.values["weight"], values, equal_nan=True)
    assert opened.summary().equals(made.summary())
    for name in ("question", "sentence", "signed", "notes", "summaries", "provenance"):
        assert getattr(opened, name) == getattr(made, name)


def test_parquet_and_csv_files_are_plain_tables_for_other_programs(tmp_path):
    made = result(np.array([[0.25, 0.5]]), provenance={"model": "tiny"})
    made.save(tmp_path / "r.parquet")
    made.save(tmp_path / "r.csv")
    assert pd.read_parquet(tmp_path / "r.parquet")["weight"].tolist() == [0.25, 0.5]
    assert pd.read_csv(tmp_path / "r.csv")["weight"].tolist() == [0.25, 0.5]
    assert json.loads((tmp_path / "r.json").read_text())["provenance"] == {"model": "tiny"}


def test_damaged_and_missing_files_are_explained(tmp_path):
    with pytest.raises(MissingError, match="There is no file"):
        Result.open(tmp_path / "none.parquet")
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(DamagedError, match="not a result of attnscope, or it is damaged"):
        Result.open(tmp_path / "bad.parquet")
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "other.parquet")
    with pytest.raises(DamagedError, match="not a result of attnscope"):
        Result.open(tmp_path / "other.parquet")
    result(np.ones((1, 1))).save(tmp_path / "r.csv")
    (tmp_path / "r.json").unlink()
    with pytest.raises(MissingError, match="holds the provenance"):
        Result.open(tmp_path / "r.csv")


def variants(names: list[str], means: list[float]) -> Result:
    inputs = pd.DataFrame({"prompt": range(9), "unit": range(9)})
    cells = pd.DataFrame({"variant": names, "dims": ["", *["0+4 1+5"] * (len(names) - 1)]})
    return Result("scale_pairs", "Scaled.", inputs, cells, {"distance": np.tile(means, (9, 1))})


def test_what_is_asked_about_is_shown_however_small_it_is_beside_its_controls():
    names = ["unedited", "top", *(f"random {number}" for number in range(1, 21))]
    found = variants(names, [1.0, 0.5, *range(2, 22)])
    assert found.shown(4)["variant"].tolist() == ["unedited", "top", "random 20", "random 19"]
    assert found.shown(4, lowest=True)["variant"].tolist() == ["unedited", "top", "random 1", "random 2"]
    labels = [label.get_text() for label in found.plot(k=4).axes[0].get_yticklabels()]
    assert labels == ["random 19", "random 20", "top", "unedited"]
    values = result(np.array([[0.1, 0.9, 0.5]]))
    assert values.shown(2)["head"].tolist() == [1, 2]


def test_a_result_is_drawn_as_a_grid_and_a_list():
    figure = result(np.random.default_rng(0).normal(size=(9, 4)), signed=True).plot(k=3)
    grid, largest = figure.axes[:2]
    assert grid.get_ylabel() == "layer"
    assert len(largest.get_yticks()) == 3
    assert "n = 9" in largest.get_xlabel()
    assert attnscope.Result is Result


def test_a_figure_names_the_statistic_that_it_draws():
    values = np.random.default_rng(0).normal(size=(18, 4))
    both = {"units": [*range(9), *range(9)], "order": ["x,y"] * 9 + ["y,x"] * 9, "signed": True}
    ratio = {"share": Ratio("weight", "weight")}

    def label(found: Result, value: str | None = None) -> str:
        return found.plot(value).axes[1].get_xlabel()

    nearer = result(values, **both, summaries={"weight": "nearer zero"})
    assert label(nearer) == "weight — mean of the order nearer 0, 95 % interval; dots: units, n = 9"
    assert label(nearer.where(order="x,y")) == "weight — mean, 95 % interval; dots: units, n = 9"
    assert label(result(values, **both, summaries=ratio), "share") == "share — ratio of sums, 95 % interval, n = 9"
    assert label(result(values[:3])) == "weight — mean; dots: units (no interval below 8), n = 3"
