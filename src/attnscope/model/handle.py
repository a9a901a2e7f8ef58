"""What every part of a `Model` knows: the Hugging Face model, its tools, and what it looks like inside."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Self

from torch import Tensor, nn

from attnscope.errors import InputError
from attnscope.model.architecture.dummy_inputs import Kind, kind_of, probe_inputs, usual_kind
from attnscope.model.architecture.probe import Architecture, probe
from attnscope.model.architecture.probed_model import ProbedModel
from attnscope.model.hf.context_length import position_limit
from attnscope.model.hf.dual_encoder import PICTURES, TEXT, towers_of
from attnscope.model.hf.module_info import first_dtype
from attnscope.model.inputs.audio import sound_part, text_part
from attnscope.model.inputs.image_processor import Tools
from attnscope.model.inputs.image_tokens import Known
from attnscope.model.inputs.tokens import Reader, reader
from attnscope.model.residual_stream.stream import Stream
from attnscope.types import Stack


class Core:
    """A part of `Model`: the others build on it."""

    def __init__(
        self,
        hf_model: nn.Module,
        tokenizer: Any = None,
        *,
        name: str | None = None,
        title: str | None = None,
        revision: str | None = None,
        quantisation: str | None = None,
    ) -> None:
        if not isinstance(hf_model, nn.Module) or not hasattr(hf_model, "config"):
            raise InputError(
                f"A transformers model is needed; got {type(hf_model).__name__}. To load one by name, call `attnscope.load`."
            )
        self.hf_model = hf_model
        self.module: nn.Module = getattr(hf_model, "_orig_mod", hf_model)  # a compiled model is run uncompiled
        self._given, self._tools = tokenizer, Tools.of(text_part(tokenizer))
        self._hearing = sound_part(tokenizer)
        self.tokenizer = self._tools.tokenizer
        self.processor = self._tools.processor or self._tools.image_processor or self._hearing
        config: Any = hf_model.config
        self.name = name or str(getattr(config, "name_or_path", "") or type(hf_model).__name__)
        self.title = title or self.name.rstrip("/").rsplit("/", 1)[-1]
        self.revision = revision or getattr(config, "_commit_hash", None)
        self.quantisation = quantisation or _quantisation(config)
        self._architectures: dict[Kind, Architecture] = {}
        self._streams: dict[int, Stream] = {}
        self._vision_name: str | None = None
        self._patches: Known = {}

    def __repr__(self) -> str:
        return f"<Model {self.title}, {self.parameters:,} parameters, {self.dtype}>"

    @property
    def parameters(self) -> int:
        """Number of parameters, shared ones counted once."""
        return sum(parameter.numel() for parameter in self.module.parameters())

    @property
    def dtype(self) -> str:
        """The dtype of the weights ("float32", "bfloat16", …)."""
        return str(first_dtype(self.module)).removeprefix("torch.")

    @property
    def kind(self) -> str:
        """`"decoder"` (looks back only), `"encoder"`, or `"encoder-decoder"`."""
        return self._towers[PICTURES].kind if self._towers else self._architecture.kind

    @property
    def chat(self) -> bool:
        """Whether the tokenizer has a chat template, so that `trace` takes the messages of a chat."""
        return bool(getattr(self.tokenizer, "chat_template", None))

    @property
    def max_tokens(self) -> int | None:
        """How many tokens the model was made for, from its config; None where it does not say."""
        return position_limit(self.module)[0]

    @property
    def stacks(self) -> dict[str, Stack]:
        """The model's attention stacks and their sizes, found by a pass over a few tokens (once)."""
        if self._towers:
            return {name: stack for tower in self._towers.values() for name, stack in tower.stacks.items()}
        known = [self._architecture, *self._architectures.values()]
        return {name: Stack.of(stack.shapes) for architecture in known for name, stack in architecture.stacks.items()}

    @property
    def probed(self) -> ProbedModel:
        """What is run, as it looks for the inputs that the model is usually given."""
        return ProbedModel(self.module, self._architecture, self.title)

    def module_for(self, inputs: Mapping[str, Any]) -> nn.Module:
        """What is run for these inputs: the model, or the tower of it that reads them alone."""
        return self._tower(inputs).module

    def subject_for(self, inputs: Mapping[str, Tensor]) -> ProbedModel:
        """What is run for these inputs, as it looks for inputs of their kind."""
        tower = self._tower(inputs)
        return ProbedModel(tower.module, tower._architecture_for(inputs), self.title)

    @cached_property
    def _read(self) -> Reader:
        return reader(self.tokenizer)

    @cached_property
    def _towers(self) -> dict[str, Self]:
        """The models within that run alone for a picture and for a text, by their main input."""
        about = {"name": self.name, "title": self.title, "revision": self.revision, "quantisation": self.quantisation}
        towers = {name: type(self)(module, self._given, **about) for name, module in towers_of(self.module).items()}
        for name, tower in towers.items():
            tower._vision_name = "vision" if name == PICTURES else None
        return towers

    def _tower(self, inputs: Mapping[str, Any]) -> Self:
        """What runs for these inputs: this model, or the tower of it that reads them alone."""
        of_each = {PICTURES, TEXT} & inputs.keys()
        return self._towers[next(iter(of_each))] if self._towers and len(of_each) == 1 else self

    @property
    def _architecture(self) -> Architecture:
        """What the model looks like for the inputs that it is usually given."""
        return self._architecture_of_kind(usual_kind(self.module), None)

    def _architecture_for(self, inputs: Mapping[str, Tensor]) -> Architecture:
        """What the model looks like for inputs of this kind: looked at once."""
        return self._architecture_of_kind(kind_of(inputs), inputs)

    def _architecture_of_kind(self, kind: Kind, given: Mapping[str, Tensor] | None) -> Architecture:
        if kind not in self._architectures:
            found = probe(self.module, probe_inputs(self.module, kind, given))
            self._architectures[kind] = (
                found if self._vision_name is None else found.renamed("encoder", self._vision_name)
            )
        return self._architectures[kind]


def _quantisation(config: Any) -> str | None:
    described = getattr(config, "quantization_config", None)
    if described is None:
        return None
    method = described.get("quant_method") if isinstance(described, dict) else getattr(described, "quant_method", None)
    return str(getattr(method, "value", method))
