"""Generates text on the structural clone and makes the trace of the very run that generated it.

transformers' own `generate` runs there, so that what a model does to choose its next token (its generation config, its caches,
its position ids) is what it always does. Each step is captured as it happens (`capture/decode_steps.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from attnscope.capture import prepared
from attnscope.capture.attention_function import NAME
from attnscope.capture.decode_steps import StepsRecorder
from attnscope.capture.run import capturing
from attnscope.edits import Edit, Plan
from attnscope.errors import InputError, RefusedError, TooLongError
from attnscope.model.architecture.probed_model import ProbedModel
from attnscope.model.architecture.rope import kept_angles
from attnscope.model.generation.decode import Run, run_steps
from attnscope.model.generation.result import Generation, OnToken, Wanted
from attnscope.model.generation.step_recorder import Writer
from attnscope.model.hf.context_length import position_limit
from attnscope.model.hf.module_info import is_encoder_decoder
from attnscope.model.inputs.decoder_inputs import Target, parted, with_target
from attnscope.model.inputs.encode import Text, batch_of, encode
from attnscope.model.inputs.model_inputs import Encoded
from attnscope.model.inputs.tokens import Reader
from attnscope.model.tracing.certify import certify
from attnscope.model.tracing.edit_plan import plan_for
from attnscope.model.tracing.lazy_logits import StepsOutput, lazy_logits
from attnscope.model.tracing.provenance import provenance
from attnscope.model.tracing.run import check_sizes, stacks_of
from attnscope.trace import Certificate, Trace
from attnscope.trace.stack import TracedStack
from attnscope.types import Observer

if TYPE_CHECKING:
    from attnscope.model.model import Model

_PER_TOKEN = ("attention_mask", "token_type_ids", "position_ids", "mm_token_type_ids")


def prompt_of(
    module: nn.Module, tokenizer: Any, read: Reader, text: Text, pair: str | None, target: Target | None
) -> Encoded:
    """The prompt. Raises `RefusedError` for a model that generates nothing, `InputError` for a text that cannot be used."""
    _check_generates(module)
    if batch_of(text, pair) is not None:
        raise InputError("One text is continued at a time; got several.")
    if not is_encoder_decoder(module):
        if target is not None:
            raise InputError(f"{type(module).__name__} has no target side: `target` goes with encoder-decoder models.")
        return encode(tokenizer, read, text, pair)
    source, beginning = parted(text, target)
    encoded = encode(tokenizer, read, source, pair)
    return encoded if beginning is None else with_target(module, tokenizer, read, encoded, beginning)


def as_traced(module: nn.Module, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The inputs as a trace has them: with something for the decoder to read."""
    if not is_encoder_decoder(module) or "decoder_input_ids" in inputs:
        return dict(inputs)
    return {**inputs, "decoder_input_ids": torch.zeros(1, 1, dtype=torch.long)}


@dataclass(frozen=True)
class Task:
    """What is to be generated from: the prompt, as inputs on the model's device too, and the model as it is run."""

    model: Model
    tokenizer: Any
    read: Reader
    encoded: Encoded
    inputs: dict[str, Tensor]
    probed: ProbedModel
    edits: Sequence[Edit] = ()

    @property
    def module(self) -> nn.Module:
        """What is run."""
        return self.probed.module

    def plan(self, new: int) -> Plan | None:
        """The edits made ready, for so many new tokens: positions count from the first token of the prompt."""
        encoded = self.encoded
        sizes = {side: len(tokens) for side, tokens in encoded.sides.items()}
        if is_encoder_decoder(self.module):
            sizes = {"source": len(encoded.tokens), "target": max(1, len(encoded.target_tokens or ()))}
        grown = "target" if is_encoder_decoder(self.module) else "text"
        return plan_for(self.probed.architecture, self.edits, title=self.model.title, sizes=sizes, further={grown: new})


def generate(
    task: Task, wanted: Wanted, *, on_token: OnToken | None = None, observer: Observer | None = None
) -> Generation:
    """What `Model.generate` does."""
    _check_room(task.module, task.encoded, wanted.max_new_tokens)
    plan = task.plan(wanted.max_new_tokens)
    task = replace(task, edits=() if plan is None else plan.edits)
    writer = Writer(task.tokenizer, task.read, wanted, on_token)
    made = _captured(task, writer, plan, observer)
    trace = _afterwards(task, made.run, observer) if made.stacks is None else _trace(task, made, made.stacks, writer)
    return writer.generation(made.run, trace)


@dataclass(frozen=True)
class _Made:
    """A run and what was captured of it: no stacks where that cannot be shown, and has to be looked at once more."""

    run: Run
    stacks: dict[str, TracedStack] | None
    certificate: Certificate
    base: StepsOutput
    warnings: tuple[str, ...] = ()


def _captured(task: Task, writer: Writer, plan: Plan | None, observer: Observer | None) -> _Made:
    architecture = task.probed.architecture
    shown = architecture.route == "interface" and not architecture.outside
    with prepared(task.module, NAME if shown else None) as clone:
        recorder = StepsRecorder(observer=observer, places=architecture.places, plan=plan)
        base = StepsOutput(clone)
        try:
            with capturing(clone, recorder) if shown else torch.no_grad():
                run = run_steps(clone, recorder, task.inputs, writer.wanted, writer.choose)
        finally:
            base.close()
        turning = kept_angles(clone) == architecture.angles
    calls = recorder.joined()
    certificate = certify(calls, task.probed.tolerance)
    if not shown or not certificate.ok:
        return _Made(run, None, certificate, base)
    stacks = stacks_of(task.probed, calls)
    if turning:
        stacks = {name: replace(one, rotary=list(architecture.stacks[name].rotary)) for name, one in stacks.items()}
    return _Made(run, stacks, certificate, base, (*(plan.warnings if plan else ()), *recorder.notes))


def _trace(task: Task, made: _Made, stacks: dict[str, TracedStack], writer: Writer) -> Trace:
    run = made.run
    whole, inputs = _whole(task, run), _longer(task.module, task.inputs, run.ids)
    check_sizes(stacks, {side: len(tokens) for side, tokens in whole.sides.items()}, task.model.title)
    generated = {"prompt": run.prompt, "tokens": run.ids.shape[1] - run.prompt, **writer.wanted.described()}
    return Trace(
        sides=whole.sides,
        stacks=stacks,
        certificate=made.certificate,
        provenance={**provenance(task.model, whole, inputs, task.edits), "generated": generated},
        warnings=[*whole.warnings, *made.warnings, *task.probed.architecture.notes],
        edits=task.edits,
        next_tokens=[(token.text, token.id, probability) for token, probability in writer.most_probable(run.last)],
        logits=lazy_logits(task.module, inputs, made.base, run.last),
        inputs=inputs,
    )


def _afterwards(task: Task, run: Run, observer: Observer | None) -> Trace:
    """A trace of the whole text in one pass, where the steps themselves cannot be shown."""
    ids: list[int] = run.ids[0].tolist()
    if is_encoder_decoder(task.module):
        source = {name: value for name, value in task.inputs.items() if not name.startswith("decoder_")}
        trace = task.model.trace(source, target=ids, edits=task.edits, observer=observer)
    else:
        trace = task.model.trace(ids, edits=task.edits, observer=observer)
    trace.warnings.append("The attention is that of one pass over the whole text, made after it was written.")
    return trace


def _check_generates(module: nn.Module) -> None:
    can: Any = getattr(module, "can_generate", None)
    if not callable(getattr(module, "generate", None)) or (callable(can) and not can()):
        raise RefusedError(
            f"{type(module).__name__} generates no text: it does not predict the next token. Trace it instead, or load the model "
            "with a head that does (`AutoModelForCausalLM`)."
        )


def _check_room(module: nn.Module, encoded: Encoded, new: int) -> None:
    limit, hard = position_limit(module)
    side = encoded.tokens if not is_encoder_decoder(module) else encoded.target_tokens or ()
    here = max(len(side), 1)
    if hard and limit is not None and here + new > limit:
        raise TooLongError(
            f"{here:,} tokens and {new:,} new ones are more than the {limit:,} positions that this model has. Shorten the "
            "text, or ask for fewer new tokens."
        )


def _whole(task: Task, run: Run) -> Encoded:
    """Prompt and continuation as one input. What continues a chat is the assistant's."""
    read, encoded = task.read, task.encoded
    if is_encoder_decoder(task.module):
        return replace(encoded, target_tokens=[read(one) for one in run.ids[0].tolist()])
    new = [read(one) for one in run.ids[0, run.prompt :].tolist()]
    if encoded.messages is not None:
        new = [replace(token, role="assistant") for token in new]
    return replace(encoded, tokens=[*encoded.tokens, *new])


def _longer(module: nn.Module, inputs: Mapping[str, Tensor], ids: Tensor) -> dict[str, Tensor]:
    """The inputs of one pass over prompt and continuation."""
    if is_encoder_decoder(module):
        own = {name: value for name, value in inputs.items() if not name.startswith("decoder_")}
        return {**own, "decoder_input_ids": ids}
    more = ids.shape[1] - inputs["input_ids"].shape[1]
    grown = {name: _grown(name, inputs[name], more) for name in _PER_TOKEN if name in inputs}
    return {**inputs, "input_ids": ids, **grown}


def _grown(name: str, value: Tensor, more: int) -> Tensor:
    """An input for every token, for `more` tokens: positions go on, new tokens are seen and are text."""
    steps = torch.arange(1, more + 1, device=value.device)
    last = {"position_ids": value[..., -1:] + steps, "token_type_ids": value[..., -1:] + 0 * steps}
    fresh = last.get(name, (name == "attention_mask") + 0 * (value[..., -1:] + steps))
    return torch.cat([value, fresh.to(value.dtype)], dim=-1)
