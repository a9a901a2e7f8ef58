"""Loads `appearance.json`, the file that Python and the front end share."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any


@cache
def shared() -> dict[str, Any]:
    """Return the contents of `appearance.json`, untyped. The other modules of this package add types."""
    return json.loads(Path(__file__).with_name("appearance.json").read_text(encoding="utf-8"))
