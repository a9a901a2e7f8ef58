"""Throw odd values at every public call, in a process of its own: tests check types at run time, users' programs do not.

    python tests/fuzz/fuzz_calls.py FOLDER EXAMPLES

prints JSON: how many calls were tried, how many of them answered or raised an `AttnscopeError` with a sentence, and the faults.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import sys
import traceback
import warnings
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fuzz.odd_values import anything
from fuzz.public_calls import Call, calls
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import attnscope

SECONDS = 60
"""The longest time for one call. Calls take milliseconds; this finds those that do not end."""


class TooSlow(BaseException):
    """A call did not end. No handler of exceptions may catch this."""


def fuzzed(call: Call, examples: int, report: dict[str, Any]) -> None:
    """Call a function with one or two odd arguments, `examples` times."""

    @settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.dictionaries(st.sampled_from(call.changed), anything, min_size=1, max_size=2))
    def one(odd: dict[str, Any]) -> None:
        report["calls"] += 1
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                signal.alarm(SECONDS)
                call.function(**{**call.arguments, **odd})
            report["answers"] += 1
        except attnscope.AttnscopeError as error:
            report["refusals"] += 1
            if not is_sentence(str(error)):
                report["faults"].append(f"{call.name}({shown(odd)}): no sentence: {error!r:.300}")
        except (Exception, TooSlow) as error:  # noqa: BLE001 - any other exception is a fault
            where = traceback.extract_tb(error.__traceback__)[-1]
            last = [one for one in traceback.extract_tb(error.__traceback__) if "attnscope" in one.filename]
            at = f"{Path(last[-1].filename).name}:{last[-1].lineno}" if last else where.filename
            report["faults"].append(f"{call.name}({shown(odd)}): {type(error).__name__}: {error!s:.160} at {at}")
        finally:
            signal.alarm(0)

    if call.changed:
        one()


def is_sentence(text: str) -> bool:
    """Whether an error's text is something to read: not empty, not endless, and ended by a mark."""
    return 10 <= len(text) <= 3000 and text.rstrip()[-1] in ".!?)”\"'`]"


def shown(odd: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value!r:.60}" for name, value in odd.items())


def _stop(_number: int, _frame: object) -> None:
    raise TooSlow


def main() -> None:
    folder, examples = Path(sys.argv[1]), int(sys.argv[2])
    chosen = sys.argv[3] if len(sys.argv) > 3 else ""
    os.chdir(folder)
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGALRM, _stop)
    report: dict[str, Any] = {"calls": 0, "answers": 0, "refusals": 0, "faults": []}
    every = calls(folder)
    for call in every:
        if chosen in call.name:
            fuzzed(call, examples, report)
    report["functions"] = len(every)
    sys.stdout.write(json.dumps(report))


if __name__ == "__main__":
    main()
