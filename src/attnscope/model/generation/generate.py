"""Generate text on a structural clone, and trace the run that generated it.

The clone runs transformers' own `generate`, so everything that decides the next token (generation config, caches, position ids)
is the same as without attnscope. Each step is captured as it runs (`capture/decode_steps.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from attnscope.capture import accepted, capture, prepared
from attnscope.capture.attention_function import NAME
from attnscope.capture.decode_steps import StepsRecorder
from attnscope.capture.run import capturing
from attnscope.edits import Edit
from attnscope.edits.plan import Plan
from attnscope.errors import TooLongError, UnsupportedError
from attnscope.model.architecture.probed_model import ProbedModel
from attnscope.model.architecture.rope import buffered_angles
from attnscope.model.generation.decode import Run, run_steps
from attnscope.model.generation.result import Generation, GenerationSettings, OnToken
from attnscope.model.generation.step_recorder import StepRecorder
from attnscope.model.handle import ModelHandle
from attnscope.model.hf.context_length import position_limit
from attnscope.model.hf.hidden_states import relative
from attnscope.model.hf.module_info import is_encoder_decoder
from attnscope.model.inputs.decoder_inputs import Target
from attnscope.model.inputs.image_tokens import with_patches
from attnscope.model.inputs.images import check_without_image
from attnscope.model.inputs.input_kind import IMAGE_KINDS
from attnscope.model.inputs.model_inputs import ModelInputs
from attnscope.model.inputs.tokens import Reader
from attnscope.model.inputs.trace_input import Text
from attnscope.model.inputs.traced_input import traced_input
from attnscope.model.inputs.virtual_positions import refuse_virtual_tokens
from attnscope.model.tracing.certify import certify
from attnscope.model.tracing.edit_plan import plan_for
from attnscope.model.tracing.generated_tokens import first_prompt
from attnscope.model.tracing.lazy_logits import StepsOutput, lazy_logits
from attnscope.model.tracing.next_tokens import can_generate
from attnscope.model.tracing.packed_sequences import as_called
from attnscope.model.tracing.provenance import check_made_by, provenance
from attnscope.model.tracing.run import check_sizes, stacks_of
from attnscope.model.tracing.trace_inputs import trace_inputs, with_counted_tokens
from attnscope.trace import Certificate, Trace
from attnscope.trace.stack import TracedStack
from attnscope.types import Observer

_PER_TOKEN = ("attention_mask", "token_type_ids", "position_ids", "mm_token_type_ids", "image_embeds_position_mask")

_READS_AGAIN = (
    "This model reads the whole text again for each new token, and earlier tokens then attend to later ones. The trace shows the "
    "last step; in the steps before it, attention was different."
)
_STEPS_ONLY = (
    "In these generation steps, no token attends to tokens generated after it; in one pass over the whole text, this model "
    "would let it. The trace shows the steps, so `states`, `patch` and `check` cannot run it again."
)
_AFTERWARDS = (
    "The attention comes from one pass over the whole text after it was generated, not from the generation steps."
)


def _with_decoder_ids(module: nn.Module, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The inputs with something for the decoder to read, as in a trace."""
    if not is_encoder_decoder(module) or "decoder_input_ids" in inputs:
        return dict(inputs)
    return {**inputs, "decoder_input_ids": torch.zeros(1, 1, dtype=torch.long)}


@dataclass(frozen=True)
class _Task:
    """What to generate from: the prompt, as encoded inputs and as tensors on the model's device, and the probed model."""

    handle: ModelHandle
    encoded: ModelInputs
    inputs: dict[str, Tensor]
    probed: ProbedModel
    edits: Sequence[Edit] = ()

    @property
    def module(self) -> nn.Module:
        """The module that runs."""
        return self.probed.module

    @property
    def read(self) -> Reader:
        """The reader of generated tokens."""
        return self.handle.preprocessor.read_output

    def plan(self, new: int) -> Plan | None:
        """The plan of the edits for up to `new` new tokens. Positions count from the first token of the prompt.

        Words are looked up in the prompt. Values from another pass have to fit the first prompt, if this one was generated.
        """
        encoded = self.encoded
        sizes = {side: len(tokens) for side, tokens in encoded.sides.items()}
        if is_encoder_decoder(self.module):
            counted = {"source": len(encoded.tokens)} if encoded.tokens else {}
            sizes = {**counted, "target": max(1, len(encoded.target_tokens or ()))}
        grown = "target" if is_encoder_decoder(self.module) else "text"
        first = first_prompt(encoded.generated)
        earlier = 0 if first is None else max(0, sizes[grown] - first)
        return plan_for(
            self.probed.architecture,
            self.edits,
            title=self.handle.title,
            sizes={**sizes, grown: sizes[grown] - earlier},
            further={grown: earlier + new},
            sides=encoded.sides,
        )


def generate(
    handle: ModelHandle,
    text: Text | ModelInputs | Trace,
    settings: GenerationSettings,
    *,
    pair: str | None = None,
    target: Target | None = None,
    image: Any = None,
    sentence_b_start: int | None = None,
    continue_final_message: bool = False,
    edits: Sequence[Edit] | None = None,
    on_token: OnToken | None = None,
    observer: Observer | None = None,
) -> Generation:
    """Implement `Model.generate`, with settings that were validated before.

    Raises `UnsupportedError` for a model that cannot generate text, `InputError` for a text that cannot be used.
    """
    _check_generates(handle.module)
    refuse_virtual_tokens(handle.module, "record a generation")
    if isinstance(text, Trace):
        check_made_by(handle, text)
        edits, text = text.edits if edits is None else edits, traced_input(text)
    if isinstance(text, ModelInputs):
        check_without_image(image)
        encoded = text
    else:
        encoded = handle.preprocessor.encode_prompt(
            text,
            pair,
            target,
            image,
            sentence_b_start=sentence_b_start,
            continue_final_message=continue_final_message,
            observer=observer,
        )
    # `generate` adds a mask of ones itself
    inputs, warnings = as_called(handle.module, handle.preprocessor.tensors(encoded), use_cache=True)
    encoded = replace(encoded, warnings=[*encoded.warnings, *warnings])
    begun = _with_decoder_ids(handle.module, inputs)
    probed = handle.probed_for(begun)
    if encoded.kind in IMAGE_KINDS:
        encoded = with_patches(handle.module, probed.architecture, encoded, begun, handle.patches)
    task = _Task(handle, encoded, inputs, probed, () if edits is None else edits)
    _check_length(task.module, encoded, settings.max_new_tokens)
    plan = task.plan(settings.max_new_tokens)
    task = replace(task, edits=() if plan is None else plan.edits)
    recorder = StepRecorder(handle.tokenizer, task.read, settings, on_token)
    captured = _captured(task, recorder, plan, observer)
    if captured.stacks is None:
        return recorder.generation(captured.run, _trace_afterwards(task, captured.run, observer))
    return recorder.generation(captured.run, _trace(task, captured, captured.stacks, recorder))


@dataclass(frozen=True)
class _CapturedRun:
    """A run and what was captured of it. `stacks` is None if the steps cannot be shown and the text must be traced afterwards."""

    run: Run
    stacks: dict[str, TracedStack] | None
    certificate: Certificate
    base: StepsOutput
    plan: Plan | None
    warnings: tuple[str, ...] = ()


def _captured(task: _Task, recorder: StepRecorder, plan: Plan | None, observer: Observer | None) -> _CapturedRun:
    architecture = task.probed.architecture
    shown = architecture.route == "interface" and not architecture.outside
    with prepared(task.module, NAME if shown else None) as clone:
        steps = StepsRecorder(observer=observer, places=architecture.places, plan=plan)
        base = StepsOutput(clone)
        try:
            with capturing(clone, steps) if shown else torch.no_grad():
                run = run_steps(clone, steps, task.inputs, recorder.settings, recorder.choose, reads_last=shown)
        finally:
            base.close()
        same_angles = buffered_angles(clone) == architecture.angles
        calls = steps.joined()
        certificate = certify(calls, task.probed.tolerance)
        stacks = stacks_of(task.probed, calls) if shown and certificate.ok else None
    if stacks is None:
        return _CapturedRun(run, None, certificate, base, plan)
    if same_angles:
        stacks = {name: replace(one, rotary=list(architecture.stacks[name].rotary)) for name, one in stacks.items()}
    rereads = [_READS_AGAIN] if steps.rereads else []
    return _CapturedRun(
        run, stacks, certificate, base, plan, (*(plan.warnings if plan else ()), *steps.notes, *rereads)
    )


def _trace(task: _Task, captured: _CapturedRun, stacks: dict[str, TracedStack], recorder: StepRecorder) -> Trace:
    run = captured.run
    inputs = _extended(task.module, task.inputs, run)
    whole = with_counted_tokens(task.handle, _whole(task, run), inputs, stacks)
    check_sizes(stacks, {side: len(tokens) for side, tokens in whole.sides.items()}, task.handle.title)
    repeatable = _one_pass_gives(task, stacks, inputs, captured, run.last)
    generated = {"prompt": run.prompt, "tokens": run.ids.shape[1] - run.prompt, **recorder.settings.described()}
    if task.encoded.generated is not None:
        generated["continues"] = dict(task.encoded.generated)
    return Trace(
        sides=whole.sides,
        stacks=stacks,
        certificate=captured.certificate,
        provenance={**provenance(task.handle, whole, inputs, task.edits), "generated": generated},
        warnings=list(
            dict.fromkeys(
                [
                    *whole.warnings,
                    *captured.warnings,
                    *task.probed.architecture.notes,
                    *([] if repeatable else [_STEPS_ONLY]),
                ]
            )
        ),
        edits=task.edits,
        next_tokens=[(token.text, token.id, probability) for token, probability in recorder.most_probable(run.last)],
        logits=lazy_logits(task.module, inputs, captured.base.values, run.last),
        inputs=inputs if repeatable else {},
        images=whole.images,
    )


def _one_pass_gives(
    task: _Task, stacks: Mapping[str, TracedStack], inputs: Mapping[str, Tensor], captured: _CapturedRun, last: Tensor
) -> bool:
    """Whether one pass over prompt and continuation computes what the steps computed.

    With causal attention it does. Otherwise the logits after the last token decide.
    """
    grown = "target" if is_encoder_decoder(task.module) else "text"
    if all(stack.causal for stack in stacks.values() if stack.query_side == stack.key_side == grown):
        return True
    places = task.probed.architecture.places
    output = capture(task.module, inputs, places=places, plan=captured.plan, keeps=False).output
    return relative(last, output.logits[0, -1].float().cpu()) <= task.probed.tolerance


def _trace_afterwards(task: _Task, run: Run, observer: Observer | None) -> Trace:
    """Trace the whole text in one pass, if the steps themselves cannot be shown."""
    whole = replace(_whole(task, run), inputs=_extended(task.module, task.inputs, run))
    trace = trace_inputs(task.handle, whole, task.edits, observer)
    trace.warnings[:] = dict.fromkeys([*trace.warnings, _AFTERWARDS])
    return trace


def _check_generates(module: nn.Module) -> None:
    if not can_generate(module):
        raise UnsupportedError(
            f"{type(module).__name__} cannot generate text, because it does not predict the next token. Trace a "
            "text instead, or load the model with a language modeling head (`AutoModelForCausalLM`)."
        )


def _check_length(module: nn.Module, encoded: ModelInputs, new: int) -> None:
    limit, hard = position_limit(module)
    side = encoded.tokens if not is_encoder_decoder(module) else encoded.target_tokens or ()
    here = max(len(side), 1)
    if hard and limit is not None and here + new > limit:
        raise TooLongError(
            f"The text has {here:,} tokens. With {new:,} new ones that is more than the {limit:,} positions of "
            "this model. Shorten the text, or request fewer new tokens."
        )


def _whole(task: _Task, run: Run) -> ModelInputs:
    """Prompt and continuation as one input.

    In a chat, the continuation belongs to the assistant, or to the message that it continues.
    """
    read, encoded = task.read, task.encoded
    if is_encoder_decoder(task.module):
        return replace(encoded, target_tokens=read.all(run.ids[0].tolist()))
    new = read.all(run.ids[0].tolist())[run.prompt :]
    if encoded.messages is not None:
        role = encoded.messages[-1]["role"] if encoded.continue_final_message else "assistant"
        new = [replace(token, role=role) for token in new]
    return replace(encoded, tokens=[*encoded.tokens, *new])


def _extended(module: nn.Module, inputs: Mapping[str, Tensor], run: Run) -> dict[str, Tensor]:
    """The inputs of one pass over prompt and continuation."""
    if is_encoder_decoder(module):
        own = {name: value for name, value in inputs.items() if not name.startswith("decoder_")}
        return {**own, "decoder_input_ids": run.ids}
    more = run.ids.shape[1] - inputs["input_ids"].shape[1]
    grown = {name: _extend(name, inputs[name], more) for name in _PER_TOKEN if name in inputs}
    by_model = {
        name: value for name, value in run.grown.items() if name in inputs and value.shape != inputs[name].shape
    }
    known = run.positions is not None and run.positions.shape == run.ids.shape
    positions = accepted(module, position_ids=run.positions) if known else {}
    return {**inputs, "input_ids": run.ids, **grown, **by_model, **positions}


def _extend(name: str, value: Tensor, more: int) -> Tensor:
    """Extend a per-token input by `more` tokens: positions continue, and the new tokens are unmasked text."""
    last, steps = value[..., -1:], torch.arange(1, more + 1, device=value.device)
    if name == "position_ids":
        fresh = last + steps
    elif name == "token_type_ids":
        fresh = last.expand(*last.shape[:-1], more)
    else:
        fresh = torch.full((*last.shape[:-1], more), 1 if name == "attention_mask" else 0, device=value.device)
    return torch.cat([value, fresh.to(value.dtype)], dim=-1)
