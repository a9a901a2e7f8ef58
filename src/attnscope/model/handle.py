"""`ModelHandle`: a Hugging Face model, its preprocessor, and what the probe found out about it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from torch import Tensor, nn

from attnscope.capture import ClonePool
from attnscope.model.architecture.dummy_inputs import Kind, kind_of, probe_inputs, usual_kind
from attnscope.model.architecture.probe import Architecture, probe
from attnscope.model.architecture.probed_model import ProbedModel
from attnscope.model.hf.context_length import position_limit
from attnscope.model.hf.dual_encoder import PIXELS, TEXT, towers_of
from attnscope.model.hf.module_info import first_dtype
from attnscope.model.hf.transformers_model import check_transformers_model, running_module
from attnscope.model.inputs.audio import feature_extractor_of, without_feature_extractor
from attnscope.model.inputs.image_processor import Processors
from attnscope.model.inputs.image_tokens import PatchCache
from attnscope.model.inputs.preprocessor import Preprocessor
from attnscope.types import Stack
from attnscope.validation import TEXT as A_TEXT
from attnscope.validation import check_arguments


class ModelHandle:
    """What every part of a `Model` works with. The architecture is probed once for each kind of input.

    `module` is what runs: the Hugging Face model, or the one that `torch.compile` or PEFT wraps. `patches` caches what each
    position of a vision model sees of an image; `clones` are clones of the model that later passes use again.
    """

    @check_arguments(name=A_TEXT, title=A_TEXT, revision=A_TEXT, quantization=A_TEXT)
    def __init__(
        self,
        hf_model: nn.Module,
        tokenizer: Any = None,
        *,
        name: str | None = None,
        title: str | None = None,
        revision: str | None = None,
        quantization: str | None = None,
        vision_stack: str | None = None,
    ) -> None:
        check_transformers_model(hf_model)
        self.hf_model = hf_model
        self.module = running_module(hf_model)
        config: Any = hf_model.config
        self.name = name or str(getattr(config, "name_or_path", "") or type(hf_model).__name__)
        self.title = title or self.name.rstrip("/").rsplit("/", 1)[-1]
        self.revision = revision or getattr(config, "_commit_hash", None)
        self.quantization = quantization or _quantization(config)
        self.patches: PatchCache = {}
        self.clones = ClonePool.of(self.module)
        self.preprocessor = Preprocessor(
            self.module,
            Processors.of(without_feature_extractor(tokenizer)),
            feature_extractor_of(tokenizer),
            self.title,
        )
        self._processor = tokenizer
        self._vision_stack = vision_stack
        self._architectures: dict[Kind, Architecture] = {}

    @property
    def tokenizer(self) -> Any:
        """The model's tokenizer, or None."""
        return self.preprocessor.tokenizer

    @property
    def given_processor(self) -> Any:
        """The tokenizer or processor that the model was made with, or None."""
        return self._processor

    @property
    def processor(self) -> Any:
        """The processor, image processor or feature extractor that the model came with, or None."""
        processors = self.preprocessor.processors
        return processors.processor or processors.image_processor or self.preprocessor.feature_extractor

    @property
    def parameters(self) -> int:
        """The number of parameters; shared ones count once."""
        return sum(parameter.numel() for parameter in self.module.parameters())

    @property
    def dtype(self) -> str:
        """The dtype of the weights ("float32", "bfloat16", …)."""
        return str(first_dtype(self.module)).removeprefix("torch.")

    @property
    def kind(self) -> str:
        """`"decoder"` (causal), `"encoder"`, or `"encoder-decoder"`."""
        return self.towers[PIXELS].kind if self.towers else self.probed.architecture.kind

    @property
    def max_tokens(self) -> int | None:
        """How many tokens the model was designed for, from its config; None if the config does not say."""
        return position_limit(self.module)[0]

    @property
    def stacks(self) -> dict[str, Stack]:
        """The attention stacks and their sizes, found once by a pass on a few tokens."""
        if self.towers:
            return {name: stack for tower in self.towers.values() for name, stack in tower.stacks.items()}
        known = [self.probed.architecture, *self._architectures.values()]
        return {name: Stack.of(stack.shapes) for architecture in known for name, stack in architecture.stacks.items()}

    @property
    def probed(self) -> ProbedModel:
        """The model, probed with its ordinary kind of input."""
        return ProbedModel(self.module, self._architecture(usual_kind(self.module), None), self.title)

    def probed_for(self, inputs: Mapping[str, Tensor]) -> ProbedModel:
        """The model, probed with inputs of the same kind as these."""
        return ProbedModel(self.module, self._architecture(kind_of(inputs), inputs), self.title)

    @cached_property
    def towers(self) -> dict[str, ModelHandle]:
        """The parts of the model that run alone for an image or for a text, by their main input."""
        return {
            name: ModelHandle(
                module,
                self._processor,
                name=self.name,
                title=self.title,
                revision=self.revision,
                quantization=self.quantization,
                vision_stack="vision" if name == PIXELS else None,
            )
            for name, module in towers_of(self.module).items()
        }

    def tower_for(self, inputs: Mapping[str, Any]) -> ModelHandle:
        """What runs for these inputs: the whole model, or one of its towers."""
        main = {PIXELS, TEXT} & inputs.keys()
        return self.towers[next(iter(main))] if self.towers and len(main) == 1 else self

    def _architecture(self, kind: Kind, example: Mapping[str, Tensor] | None) -> Architecture:
        if kind not in self._architectures:
            found = probe(self.module, probe_inputs(self.module, kind, example))
            name = self._vision_stack
            self._architectures[kind] = found if name is None else found.renamed("encoder", name)
        return self._architectures[kind]


def _quantization(config: Any) -> str | None:
    settings = getattr(config, "quantization_config", None)
    if settings is None:
        return None
    method = settings.get("quant_method") if isinstance(settings, dict) else getattr(settings, "quant_method", None)
    return str(getattr(method, "value", method))
