"""Save figures as SVG files and read them back."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

SVG = "{http://www.w3.org/2000/svg}"


class SvgFile:
    """The content of an SVG file."""

    def __init__(self, path: Path) -> None:
        self.source = path.read_text(encoding="utf-8")
        self.root = ElementTree.fromstring(self.source)

    @property
    def texts(self) -> list[str]:
        """The texts of all text elements, in document order."""
        return ["".join(one.itertext()) for one in self.root.iter(f"{SVG}text")]

    @property
    def description(self) -> str:
        """The Dublin Core description."""
        return self.root.find(".//{http://purl.org/dc/elements/1.1/}description").text or ""

    def opacities(self, name: str) -> list[float]:
        """The opacities of the strokes in a named group, ascending."""
        group = next(one for one in self.root.iter(f"{SVG}g") if one.get("id") == name)
        styles = [dict(part.split(": ") for part in one.get("style").split("; ")) for one in group.iter(f"{SVG}path")]
        return sorted(float(style.get("stroke-opacity", 1)) for style in styles)


def save_svg(figure, path: Path) -> SvgFile:
    """Save a figure as an SVG file and read it back."""
    figure.savefig(path)
    return SvgFile(path)
