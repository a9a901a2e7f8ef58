"""Studies against transformers' eager attention and sums worked out one by one."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from helpers.tiny_text_model import eager, tiny_text_model

import attnscope
from attnscope import CancelledError, InputError
from attnscope.study.study import Study

ROWS = [("doctor", "nurse"), ("mechanic", "librarian"), ("engineer", "secretary")]
TEMPLATE = "The {x} asked the {y} a question. {p}"


@pytest.fixture(scope="module")
def model(smollm2: attnscope.Model) -> attnscope.Model:
    return tiny_text_model(smollm2.tokenizer)


@pytest.fixture
def prompts() -> attnscope.PromptSet:
    rows = [{"x": x, "y": y} for x, y in ROWS]
    return attnscope.prompts(TEMPLATE, rows=rows, cross={"p": ["She", "He"]}, swap=("x", "y"))


@pytest.fixture
def study(model, prompts) -> Study:
    return attnscope.Study(model, prompts, cache=False)


def weight(model, text: str, query: str, key: str) -> torch.Tensor:
    """Attention [layer, head] from a word to a word: Σ over the key's tokens, mean over the query's, by character offsets."""
    encoding = model.tokenizer(text, return_offsets_mapping=True)
    spans = []
    for word in (query, key):
        start = text.index(word)
        spans.append(
            [i for i, (a, b) in enumerate(encoding["offset_mapping"]) if max(a, start) < min(b, start + len(word))]
        )
    attention = eager(model, text)[0]
    return attention[:, :, spans[0]][..., spans[1]].sum(-1).mean(-1)


def test_an_edge_over_prompts_is_that_of_eager_attention(model, prompts, study):
    found = study.edge("p", "y")
    for row, prompt in enumerate(prompts):
        expected = weight(model, prompt.text, prompt.labels["p"], prompt.labels["y"])
        assert found.values["weight"][row] == pytest.approx(expected.flatten().numpy(), abs=2e-5)
    assert found.units == 3


def test_the_contrast_is_the_double_difference_of_eager_attention(model, study):
    found = study.contrast("p", ("y", "x"), between=("p", "She", "He"))
    by_order = []
    for first_is_x in (True, False):
        each = []
        for x, y in ROWS:
            first, second = (x, y) if first_is_x else (y, x)
            parts = {}
            for p in ("She", "He"):
                text = f"The {first} asked the {second} a question. {p}"
                parts[p] = weight(model, text, p, y) - weight(model, text, p, x)
            each.append(parts["She"] - parts["He"])
        by_order.append(torch.stack(each).mean(0).flatten())
    agree = torch.sign(by_order[0]) == torch.sign(by_order[1])
    nearer = torch.where(by_order[0].abs() < by_order[1].abs(), by_order[0], by_order[1])
    assert found.summary()["mean"].to_numpy() == pytest.approx(torch.where(agree, nearer, 0.0).numpy(), abs=3e-5)
    assert list(found.summary().columns) == ["layer", "head", "mean", "low", "high", "n"]
    assert found.summary()["n"].unique().tolist() == [3]
    assert sorted(found.frame()["order"].unique()) == ["x,y", "y,x"]


def test_measures_over_prompts_are_those_of_each_trace(model, prompts, study):
    found = study.heads("distance")
    assert found.main == "distance"
    for row in (0, 5):
        alone = attnscope.analysis.heads(model.trace(prompts[row].text))
        assert found.values["distance"][row] == pytest.approx(alone["distance"].to_numpy(), abs=1e-4)


def test_prompts_of_different_lengths_keep_their_order(model):
    texts = ["One two three.", "A much longer sentence than the others, with a clause.", "Four five six."]
    found = attnscope.Study(model, texts, cache=False).heads("entropy")
    expected = [attnscope.analysis.heads(model.trace(text))["entropy"].mean() for text in texts]
    assert found.values["entropy"].mean(1) == pytest.approx(expected, abs=1e-4)
    assert found.inputs["prompt"].tolist() == [0, 1, 2]


def test_a_pattern_over_prompts_is_that_of_each_trace_and_prompts_without_it_are_skipped(model):
    found = attnscope.Study(model, ["f(a) and g(b)", "no brackets here"], cache=False).match("brackets")
    alone = attnscope.analysis.match(model.trace("f(a) and g(b)"), "brackets")
    assert found.values["share"][0] == pytest.approx(alone.sort_values(["layer", "head"])["share"].to_numpy(), abs=1e-5)
    assert found.inputs["prompt"].tolist() == [0]
    assert any("1 of 2 prompts do not have the pattern" in note for note in found.notes)


def test_a_pattern_that_never_occurs_is_an_error(model):
    with pytest.raises(InputError, match="does not occur in any of the 2 prompts"):
        attnscope.Study(model, ["one two", "three four"], cache=False).match("brackets")


def test_random_tokens_are_repeated_and_never_special(model):
    study = attnscope.Study(model, attnscope.prompts.repeated_random(6, 3, seed=1), cache=False)
    found = study.match("induction")
    assert found.units == 3
    ids = study._inputs.encoded(0).inputs["input_ids"][0].tolist()
    assert ids[1:7] == ids[7:13]
    assert not set(ids[1:]) & set(model.tokenizer.all_special_ids)
    assert len(set(ids[1:7])) == 6


def test_variability_is_that_of_the_definition(model):
    texts = ["The cat sat on it.", "A dog ran to me."]
    found = attnscope.Study(model, texts, cache=False).variability(off_sink=False, positions=5)
    both = torch.stack([eager(model, text)[0][:, :, :5, :5] for text in texts])
    mean = both.mean(0)
    expected = (both - mean).abs().sum((-2, -1)) / (2 * both.sum((-2, -1)))
    assert found.values["variability"] == pytest.approx(expected.flatten(1).numpy(), abs=1e-5)


def test_decay_shares_are_sums_over_prompts(model):
    texts = [
        "The quick brown fox jumps over the lazy dog today.",
        "Some other words stand here in a longer row, one by one.",
    ]
    found = attnscope.Study(model, texts, cache=False).decay(1, 2)
    each = [attnscope.analysis.decay(model.trace(text), 1, 2) for text in texts]
    expected = sum(one.slopes.double() for one in each) / sum(one.slope for one in each)
    assert found.summary("share")["mean"].to_numpy() == pytest.approx(expected.numpy(), rel=1e-3, abs=1e-4)
    assert found.summary("share")["mean"].sum() == pytest.approx(1.0, abs=1e-3)


def test_scaled_units_stand_beside_the_unedited_model_and_random_units(model):
    texts = [
        "The quick brown fox jumps over the lazy dog today.",
        "Some other words stand here in a longer row, one by one.",
    ]
    found = attnscope.Study(model, texts, cache=False).scale_pairs(1, 2, 1, controls=3, max_new_tokens=3)
    assert found.cells["variant"].tolist() == ["unedited", "top", "random 1", "random 2", "random 3"]
    attention, logits = eager(model, texts[0])
    ids = torch.tensor(model.tokenizer(texts[0])["input_ids"])
    n = len(ids)
    apart = (torch.arange(n)[:, None] - torch.arange(n)).abs()
    assert found.values["distance"][0, 0] == pytest.approx(float((attention[1, 2] * apart).sum(-1).mean()), abs=1e-4)
    assert found.values["sink"][0, 0] == pytest.approx(float(attention[1, 2][:, 0].mean()), abs=1e-5)
    off = attention[1, 2].clone()
    off[:, 0] = 0  # the first token is the sink; its own row has nothing else
    off = (off * apart).sum(-1)[1:] / off.sum(-1)[1:]
    assert found.main == "distance_off_sink"
    assert found.values["distance_off_sink"][0, 0] == pytest.approx(float(off.mean()), abs=1e-4)
    loss = torch.nn.functional.cross_entropy(logits[:-1], ids[1:])
    assert found.values["loss"][0, 0] == pytest.approx(float(loss), abs=1e-4)
    dims = [int(one) for one in found.cells["dims"][1].split("+")]
    edited = model.trace(texts[0], edits=[attnscope.edits.ScaleNeuron(1, 2, dims, 0.0)])
    assert found.values["distance"][0, 1] == pytest.approx(
        attnscope.analysis.heads(edited).query("layer == 1 and head == 2")["distance"].item(), abs=1e-4
    )
    loss = torch.nn.functional.cross_entropy(edited.logits[:-1], ids[1:])
    assert found.values["loss"][0, 1] == pytest.approx(float(loss), abs=1e-4)
    assert found.values["loss"][0, 1] != found.values["loss"][0, 0]
    assert found.inputs["unedited"][0] == model.generate(texts[0], 3).text


def test_pairs_chosen_on_other_prompts_are_the_ones_scaled(model):
    study = attnscope.Study(model, ["The quick brown fox jumps over the lazy dog today."], cache=False)
    found = study.scale_pairs(1, 2, pairs=["2+6", "0+4"], controls=2, max_new_tokens=0)
    assert found.cells["dims"].tolist()[:2] == ["", "2+6 0+4"]
    assert all(len(dims.split()) == 2 and not {"2+6", "0+4"} & set(dims.split()) for dims in found.cells["dims"][2:])
    edited = model.trace(study.prompts[0].text, edits=[attnscope.edits.ScaleNeuron(1, 2, [0, 2, 4, 6], 0.0)])
    expected = attnscope.analysis.heads(edited, off_sink=True).query("layer == 1 and head == 2")["distance"].item()
    assert found.values["distance_off_sink"][0, 1] == pytest.approx(expected, abs=1e-4)
    assert "chosen" not in found.notes[0]
    for wrong in (["0"], [], ["0+4", "0+4"], ["0+4", "1+5", "2+6", "3+7"]):
        with pytest.raises(attnscope.InputError, match="pairs"):
            study.scale_pairs(1, 2, pairs=wrong)


def test_an_effect_stands_beside_the_same_edit_on_every_other_head(model, prompts):
    study = attnscope.Study(model, prompts[:2], cache=False)
    found = study.effect([attnscope.edits.ScaleHead(1, 2, 0.0)], "log_probability", answer=" said")
    assert found.cells["variant"][0] == "edit"
    assert len(found.cells) == 4  # the head and the three others of its layer
    ident = model.tokenizer(" said")["input_ids"][0]
    text = prompts[0].text
    with model.edited([attnscope.edits.ScaleHead(1, 2, 0.0)]) as edited, torch.no_grad():
        after = edited(**model.tokenizer(text, return_tensors="pt")).logits[0, -1].double().log_softmax(-1)[ident]
    before = eager(model, text)[1][-1].log_softmax(-1)[ident]
    assert found.values["effect"][0, 0] == pytest.approx(float(after - before), abs=1e-4)
    assert any("of 4" in note for note in found.notes)


def test_edits_may_name_slots(model, prompts):
    study = attnscope.Study(model, prompts[:3], cache=False)
    named = study.effect([attnscope.edits.CutEdge(0, 1, "p", "x")], answer=" said", controls=2)
    text = prompts[0].text
    alone = model.effect(text, [attnscope.edits.CutEdge(0, 1, "She", "doctor")], answer=" said")
    assert named.values["effect"][0, 0] == pytest.approx(alone.effect, abs=1e-5)


def test_mediation_over_pairs_is_that_of_each_pair(model, prompts):
    study = attnscope.Study(model, prompts, cache=False)
    found = study.mediate(("p", "She", "He"), " is", " was")
    assert len(found.inputs) == 6
    first = prompts.filter(x="doctor", order="x,y")
    alone = model.mediate(first[0].text, first[1].text, " is", " was").frame()
    assert found.values["indirect"][0] == pytest.approx(alone["log_indirect"].to_numpy(), abs=1e-4)
    total = found.by_unit("total")
    assert found.summary("share")["mean"].to_numpy() == pytest.approx(
        found.by_unit("indirect").sum(0) / total.sum(0), rel=1e-6
    )


def test_patching_fills_labels_into_answers(model):
    rows = [{"other": "Bob"}, {"other": "Eve"}]
    prompts = attnscope.prompts("{name} met {other}. Then", rows=rows, cross={"name": ["Tom", "Ann"]})
    found = attnscope.Study(model, prompts, cache=False).patch(("name", "Tom", "Ann"), " {other}")
    clean, corrupted = prompts[0].text, prompts[1].text
    alone = model.patch(clean, corrupted, answer=" Bob").frame()
    assert found.values["effect"][0] == pytest.approx(alone["effect"].to_numpy(), abs=1e-5)


def test_prompts_of_different_lengths_are_aligned_by_their_slots(model):
    rows = [{"other": "Bob"}, {"other": "Eve"}]
    prompts = attnscope.prompts("{name} met {other}. Then", rows=rows, cross={"name": ["Tom", "Bartholomew"]})
    clean, corrupted = prompts[0].text, prompts[1].text
    lengths = [len(model.tokenizer(text)["input_ids"]) for text in (clean, corrupted)]
    assert lengths[0] != lengths[1]
    found = attnscope.Study(model, prompts, cache=False).patch(("name", "Tom", "Bartholomew"), " was")
    spans = {"name": ("Tom", "Bartholomew"), "other": ("Bob", "Bob")}
    alone = model.patch(clean, corrupted, answer=" was", spans=spans).frame()
    assert found.values["effect"][0] == pytest.approx(alone["effect"].to_numpy(), abs=1e-5)
    named = attnscope.Study(model, prompts, cache=False).patch(
        ("name", "Tom", "Bartholomew"), " was", what="residual", positions=["name", "other"]
    )
    assert named.cells["position"].tolist()[:2] == ["name", "other"]


def test_states_follow_an_answer_through_the_layers(model, prompts):
    found = attnscope.Study(model, prompts[:2], cache=False).states(" said", " asked")
    ident = model.tokenizer(" said")["input_ids"][0]
    logits = eager(model, prompts[0].text)[1][-1]
    assert found.cells["after"].tolist() == [0, 1, 2]
    assert found.values["log_probability"][0, -1] == pytest.approx(float(logits.log_softmax(-1)[ident]), abs=1e-4)
    assert found.values["rank"][0, -1] == 1 + int((logits > logits[ident]).sum())


def test_two_models_are_compared_head_by_head(model, smollm2, prompts):
    other = tiny_text_model(smollm2.tokenizer, seed=1)
    found = attnscope.Study(model, prompts[:2], cache=False).compare(other)
    text = prompts[0].text
    one, two = eager(model, text)[0], eager(other, text)[0]
    mean = (one + two) / 2
    kl = lambda p, q: torch.where(p > 0, p * (p / q).log(), torch.zeros_like(p)).sum(-1)  # noqa: E731
    expected = ((kl(one, mean) + kl(two, mean)) / 2).mean(-1).flatten()
    assert found.values["divergence"][0] == pytest.approx(expected.numpy(), abs=1e-4)
    same = attnscope.Study(model, prompts[:2], cache=False).compare(model)
    assert np.abs(same.values["divergence"]).max() < 1e-6


def test_models_with_other_tokens_or_heads_are_refused(model, smollm2, minilm, prompts):
    study = attnscope.Study(model, prompts[:1], cache=False)
    with pytest.raises(InputError, match="different tokens"):
        study.compare(minilm)
    with pytest.raises(InputError, match="different heads"):
        study.compare(tiny_text_model(smollm2.tokenizer, layers=1))


def test_a_question_that_was_asked_before_is_answered_from_the_cache(model, prompts, tmp_path, monkeypatch):
    first = attnscope.Study(model, prompts, cache=tmp_path).edge("p", "y")
    again = attnscope.Study(model, prompts, cache=tmp_path)
    monkeypatch.setattr(again._inputs, "traces", lambda *_, **__: pytest.fail("traced again"))
    assert again.edge("p", "y").summary().equals(first.summary())
    other = tiny_text_model(model.tokenizer, seed=2)
    assert not attnscope.Study(other, prompts, cache=tmp_path).edge("p", "y").summary().equals(first.summary())


def test_other_arguments_prompts_or_weights_are_another_question(model, prompts, tmp_path):
    attnscope.Study(model, prompts, cache=tmp_path).edge("p", "y")
    attnscope.Study(model, prompts, cache=tmp_path).edge("p", "x")
    attnscope.Study(model, prompts[:4], cache=tmp_path).edge("p", "y")
    attnscope.Study(tiny_text_model(model.tokenizer, seed=3), prompts, cache=tmp_path).edge("p", "y")
    assert len(list(tmp_path.glob("*.parquet"))) == 4


def test_functions_are_never_cached(model, tmp_path):
    study = attnscope.Study(model, ["a b c d", "e f g h"], cache=tmp_path)
    study.match(lambda query, key: key.index == 0)
    assert not list(tmp_path.glob("*.parquet"))


class Counter:
    def __init__(self, most: int | None = None) -> None:
        self.seen: list[tuple[int, int]] = []
        self.most = most

    def layer(self, done: int, total: int) -> None:
        self.seen.append((done, total))

    def cancelled(self) -> bool:
        return self.most is not None and len(self.seen) >= self.most


def test_an_observer_counts_prompts_and_can_cancel(model, prompts):
    watcher = Counter()
    attnscope.Study(model, prompts, cache=False).edge("p", "y", observer=watcher)
    assert watcher.seen == [(one, 12) for one in range(1, 13)]
    with pytest.raises(CancelledError):
        attnscope.Study(model, prompts, cache=False).edge("p", "y", observer=Counter(most=3))


def test_no_more_than_one_batch_of_traces_is_alive(model, prompts, monkeypatch):
    import gc
    import weakref

    study = attnscope.Study(model, prompts, cache=False)
    alive: list[weakref.ref] = []
    largest = 0
    for _, trace in study._inputs.traces():
        alive.append(weakref.ref(trace))
        del trace
        gc.collect()
        largest = max(largest, sum(one() is not None for one in alive))
    assert largest <= len(prompts)
    gc.collect()
    assert sum(one() is not None for one in alive) == 0


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda s: s.contrast("p", "y"), "`key` must be two positions"),
        (lambda s: s.contrast("p", ("y", "x"), between=("p", "She")), "a label and two of its values"),
        (lambda s: s.contrast("p", ("y", "x"), between=("q", "She", "He")), "there is no label 'q'; the labels are"),
        (lambda s: s.contrast("p", ("y", "x"), between=("p", "She", "They")), "No two prompts differ only in 'p'"),
        (lambda s: s.edge("p", "zebra"), 'Prompt 0 .* "zebra" is not a word of the text'),
        (lambda s: s.heads("size"), "`by` must be one of"),
        (lambda s: s.effect([], "logit", answer=" is"), "edits"),
        (lambda s: s.effect([attnscope.edits.ScaleHead(0, 0, 0)], "size", answer=" is"), "`metric` must be a Metric"),
        (lambda s: s.states("{other}"), "names a label that prompt 0 does not have"),
        (lambda s: s.decay(0, 9), "Head 9 does not exist"),
    ],
)
def test_wrong_questions_are_explained(study, ask, words):
    with pytest.raises(InputError, match=words):
        ask(study)


def test_a_study_needs_a_model_and_prompts(model, smollm2):
    with pytest.raises(InputError, match="A study needs a model"):
        attnscope.Study(smollm2.hf_model, ["a"])
    with pytest.raises(InputError):
        attnscope.Study(model, [])


def test_every_prompt_is_paired_once(study):
    pairs = study._inputs.pairs(("p", "She", "He"))
    flat = list(itertools.chain.from_iterable((pair.first, pair.second) for pair in pairs))
    assert len(pairs) == 6
    assert len(set(flat)) == 12


def test_labels_that_are_called_as_values_or_cells_keep_their_values(model, tmp_path):
    rows = [
        {"text": text, "weight": 5, "next": "a", "layer": 7, "label_layer": 8, "top": 9, "dims": "b"}
        for text in ("One two three four five six seven", "Six seven eight nine ten one two")
    ]
    study = attnscope.Study(model, attnscope.prompts(rows), cache=False)
    edge = study.edge(2, 1)
    assert edge.inputs["label_weight"].tolist() == [5, 5]
    assert edge.frame()["weight"].to_numpy() == pytest.approx(edge.values["weight"].reshape(-1))
    assert edge.where(next="a").units == 2
    assert sorted(edge.inputs.filter(like="layer").iloc[0]) == [7, 8]
    edge.save(tmp_path / "edge.csv")
    assert attnscope.Result.open(tmp_path / "edge.csv").inputs["label_weight"].tolist() == [5, 5]
    assert study.heads("next").inputs["label_next"].tolist() == ["a", "a"]
    scaled = study.scale_pairs(1, 2, 1, controls=1, max_new_tokens=1)
    assert scaled.inputs["label_top"].tolist() == [9, 9]
    assert scaled.inputs["label_dims"].tolist() == ["b", "b"]


def test_a_word_that_is_no_slot_is_told_what_the_slots_are(study):
    with pytest.raises(InputError, match=r"zebra.*Its slots: x, y, p"):
        study.edge("p", "zebra")


def test_numbers_of_numpy_are_arguments_like_others(model, tmp_path):
    study = attnscope.Study(model, ["One two three four five six"], cache=tmp_path)
    first = study.decay(np.int64(1), np.int32(2))
    assert first.provenance == study.decay(1, 2).provenance
    assert len(list(tmp_path.glob("*.parquet"))) == 1
    with pytest.raises(InputError, match="finite"):
        study.scale_pairs(1, 2, factor=float("nan"))


def test_a_result_that_cannot_be_kept_is_returned(model, tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    with pytest.warns(UserWarning, match="could not be kept"):
        assert attnscope.Study(model, ["One two three"], cache=file).edge(2, 1).units == 1


def test_positions_of_prompts_of_different_lengths_are_named(model):
    prompts = attnscope.prompts(
        "A {x} sat. {p}", rows=[{"x": "cat"}, {"x": "hippopotamus"}], cross={"p": ["She", "He"]}
    )
    study = attnscope.Study(model, prompts, cache=False)
    with pytest.raises(InputError, match="Name positions that all prompts have"):
        study.patch(("p", "She", "He"), " was", what="residual")
    assert set(study.patch(("p", "She", "He"), " was", what="residual", positions=["x", "p"]).cells["position"]) == {
        "x",
        "p",
    }


def test_a_prompt_that_is_too_short_is_named(model):
    study = attnscope.Study(model, ["One two three four five six seven eight", "One two"], cache=False)
    for ask in (study.decays, lambda: study.decay(1, 2)):
        with pytest.raises(InputError, match=r'Prompt 1 \("One two"\): `furthest`'):
            ask()
