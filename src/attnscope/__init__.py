"""An attention microscope for every Transformer.

    model = attnscope.load("smollm2")
    trace = model.trace("The quick, brown fox jumps over the lazy")
    trace.attention(layer=5, head=3)        # [query, key]

The public API is what `attnscope`, `attnscope.edits`, `attnscope.analysis`, `attnscope.bertviz` and `attnscope.testing` list in
`__all__`. Everything else is private and may change without notice.

Names are imported when they are first used, so that `attnscope --help` does not wait for torch.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from attnscope.display import display_with, export_with

if TYPE_CHECKING:
    from attnscope import analysis, bertviz, edits, testing
    from attnscope.errors import (
        AttnscopeError,
        CancelledError,
        DamagedError,
        InputError,
        MissingError,
        TooLongError,
        UnreachableError,
        UnsupportedError,
        WriteError,
    )
    from attnscope.figures import figure
    from attnscope.model.attribution.attribution import Attribution, Confirmation
    from attnscope.model.attribution.head_importance import Ablations, HeadImportance
    from attnscope.model.effects.control import Control
    from attnscope.model.effects.control_kinds import ControlKind, ControlKinds
    from attnscope.model.effects.effect import Effect
    from attnscope.model.effects.full_prediction import FullPrediction
    from attnscope.model.generation.result import Generation, Step
    from attnscope.model.inputs.model_inputs import ModelInputs
    from attnscope.model.load import load
    from attnscope.model.metrics.continuation import Continuation
    from attnscope.model.metrics.metric import Metric
    from attnscope.model.model import Model
    from attnscope.model.open_file import open  # noqa: A004 - the public name is attnscope.open
    from attnscope.model.patching.causal_mediation import Mediation
    from attnscope.model.patching.sweep import Sweep
    from attnscope.model.residual_stream.answered_states import AnswerByLayer, LayerScores
    from attnscope.model.residual_stream.logit_attribution import Contributions, Share
    from attnscope.model.residual_stream.states import Lens, States
    from attnscope.model.tracing.changes import Changes
    from attnscope.offline import export
    from attnscope.prompt_sets import Prompt, PromptSet, RandomTokens, prompts
    from attnscope.study.result import Result
    from attnscope.study.study import Study
    from attnscope.trace import Certificate, LayerCertificate, Trace
    from attnscope.trace.positions import Position
    from attnscope.trace.prediction import Choice, Prediction
    from attnscope.types import InputImage, LayerShape, Observer, Rotary, Stack, Token
    from attnscope.widget import AttentionWidget, show
    from attnscope.workspace import Workspace

_HOME = {
    "Ablations": "attnscope.model.attribution.head_importance",
    "AnswerByLayer": "attnscope.model.residual_stream.answered_states",
    "AttentionWidget": "attnscope.widget",
    "AttnscopeError": "attnscope.errors",
    "Attribution": "attnscope.model.attribution.attribution",
    "CancelledError": "attnscope.errors",
    "Certificate": "attnscope.trace",
    "Changes": "attnscope.model.tracing.changes",
    "Choice": "attnscope.trace.prediction",
    "Confirmation": "attnscope.model.attribution.attribution",
    "Continuation": "attnscope.model.metrics.continuation",
    "Contributions": "attnscope.model.residual_stream.logit_attribution",
    "Control": "attnscope.model.effects.control",
    "ControlKind": "attnscope.model.effects.control_kinds",
    "ControlKinds": "attnscope.model.effects.control_kinds",
    "DamagedError": "attnscope.errors",
    "Effect": "attnscope.model.effects.effect",
    "FullPrediction": "attnscope.model.effects.full_prediction",
    "Generation": "attnscope.model.generation.result",
    "HeadImportance": "attnscope.model.attribution.head_importance",
    "InputError": "attnscope.errors",
    "InputImage": "attnscope.types",
    "LayerCertificate": "attnscope.trace",
    "LayerScores": "attnscope.model.residual_stream.answered_states",
    "LayerShape": "attnscope.types",
    "Lens": "attnscope.model.residual_stream.states",
    "Mediation": "attnscope.model.patching.causal_mediation",
    "Metric": "attnscope.model.metrics.metric",
    "MissingError": "attnscope.errors",
    "Model": "attnscope.model.model",
    "ModelInputs": "attnscope.model.inputs.model_inputs",
    "Observer": "attnscope.types",
    "Position": "attnscope.trace.positions",
    "Prediction": "attnscope.trace.prediction",
    "Prompt": "attnscope.prompt_sets",
    "PromptSet": "attnscope.prompt_sets",
    "RandomTokens": "attnscope.prompt_sets",
    "Result": "attnscope.study.result",
    "Rotary": "attnscope.types",
    "Share": "attnscope.model.residual_stream.logit_attribution",
    "Stack": "attnscope.types",
    "States": "attnscope.model.residual_stream.states",
    "Step": "attnscope.model.generation.result",
    "Study": "attnscope.study.study",
    "Sweep": "attnscope.model.patching.sweep",
    "Token": "attnscope.types",
    "TooLongError": "attnscope.errors",
    "Trace": "attnscope.trace",
    "UnreachableError": "attnscope.errors",
    "UnsupportedError": "attnscope.errors",
    "Workspace": "attnscope.workspace",
    "WriteError": "attnscope.errors",
    "analysis": "attnscope.analysis",
    "bertviz": "attnscope.bertviz",
    "edits": "attnscope.edits",
    "export": "attnscope.offline",
    "figure": "attnscope.figures",
    "load": "attnscope.model.load",
    "open": "attnscope.model.open_file",
    "prompts": "attnscope.prompt_sets",
    "show": "attnscope.widget",
    "testing": "attnscope.testing",
}

__all__ = [
    "Ablations",
    "AnswerByLayer",
    "AttentionWidget",
    "AttnscopeError",
    "Attribution",
    "CancelledError",
    "Certificate",
    "Changes",
    "Choice",
    "Confirmation",
    "Continuation",
    "Contributions",
    "Control",
    "ControlKind",
    "ControlKinds",
    "DamagedError",
    "Effect",
    "FullPrediction",
    "Generation",
    "HeadImportance",
    "InputError",
    "InputImage",
    "LayerCertificate",
    "LayerScores",
    "LayerShape",
    "Lens",
    "Mediation",
    "Metric",
    "MissingError",
    "Model",
    "ModelInputs",
    "Observer",
    "Position",
    "Prediction",
    "Prompt",
    "PromptSet",
    "RandomTokens",
    "Result",
    "Rotary",
    "Share",
    "Stack",
    "States",
    "Step",
    "Study",
    "Sweep",
    "Token",
    "TooLongError",
    "Trace",
    "UnreachableError",
    "UnsupportedError",
    "Workspace",
    "WriteError",
    "analysis",
    "bertviz",
    "edits",
    "export",
    "figure",
    "load",
    "open",
    "prompts",
    "show",
    "testing",
]
__version__ = version("attnscope")


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'attnscope' has no attribute {name!r:.300}")
    module = import_module(_HOME[name])
    value = module if _HOME[name] == f"attnscope.{name}" else getattr(module, name)
    globals()[name] = value
    return value


def _widget_of(shown: Any) -> Any:
    return __getattr__("show")(shown)


def _page_of(trace: Any, **options: Any) -> str:
    return import_module("attnscope.offline").page(trace, **options)


display_with(_widget_of)
export_with(_page_of)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
