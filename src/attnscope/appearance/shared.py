"""The file that Python and the front end share."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any


@cache
def shared() -> dict[str, Any]:
    """What `appearance.json` says. The modules beside this one give it types."""
    return json.loads(Path(__file__).with_name("appearance.json").read_text(encoding="utf-8"))
