"""Figures read back from the SVG files that they were saved to."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

SVG = "{http://www.w3.org/2000/svg}"


class SvgFile:
    """A written SVG file."""

    def __init__(self, path: Path) -> None:
        self.source = path.read_text(encoding="utf-8")
        self.root = ElementTree.fromstring(self.source)

    @property
    def texts(self) -> list[str]:
        """The text elements, in their order."""
        return ["".join(one.itertext()) for one in self.root.iter(f"{SVG}text")]

    @property
    def description(self) -> str:
        """Dublin Core's description."""
        return self.root.find(".//{http://purl.org/dc/elements/1.1/}description").text or ""

    def opacities(self, name: str) -> list[float]:
        """Of the strokes of a named group, ascending."""
        group = next(one for one in self.root.iter(f"{SVG}g") if one.get("id") == name)
        styles = [dict(part.split(": ") for part in one.get("style").split("; ")) for one in group.iter(f"{SVG}path")]
        return sorted(float(style.get("stroke-opacity", 1)) for style in styles)


def save_svg(figure, path: Path) -> SvgFile:
    """The figure as an SVG file, read again."""
    figure.savefig(path)
    return SvgFile(path)
