"""Results that were computed before, on disk: found by the content of the question, never by names."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attnscope.errors import AttnscopeError
from attnscope.study.result import Result

MOST_FILES = 500
"""The oldest results beyond this number are removed."""


class ResultCache:
    """Results in a folder, each in a Parquet file named by the hash of its provenance: model, prompts, question, arguments."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, provenance: Mapping[str, Any]) -> Result | None:
        """The result of this question; None if there is none, or if its file is damaged."""
        path = self._path(provenance)
        if not path.is_file():
            return None
        try:
            found = Result.open(path)
        except AttnscopeError:
            path.unlink(missing_ok=True)
            return None
        path.touch()
        return found

    def put(self, result: Result) -> None:
        """Keep a result."""
        self.folder.mkdir(parents=True, exist_ok=True)
        result.save(self._path(result.provenance))
        files = sorted(self.folder.glob("*.parquet"), key=lambda one: one.stat().st_mtime)
        for old in files[: max(0, len(files) - MOST_FILES)]:
            old.unlink(missing_ok=True)

    def _path(self, provenance: Mapping[str, Any]) -> Path:
        said = json.dumps(provenance, sort_keys=True, allow_nan=False)
        return self.folder / f"{hashlib.sha256(said.encode()).hexdigest()[:40]}.parquet"
