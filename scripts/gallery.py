"""The gallery: scenes of the interface on real input, drawn in Chromium, kept as small pictures.

`frontend/gallery/scenes.json` names each scene: an input, the address (URL hash) of what is shown, a theme, a width. The
pictures beside it are what docs/gallery.md shows and what a test compares new drawings with. `make gallery` draws them
anew; look at them before they are committed.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from PIL import Image, ImageChops

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from attnscope import Model, Trace
    from attnscope.session import HeldTrace

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "frontend" / "gallery"
PICTURES = FOLDER / "pictures"
PAGE = ROOT / "docs" / "gallery.md"
HEIGHT = 780
COLOURS = 128
PATIENCE_MS = 90_000
SAMPLED = (60, 40)
"""Pictures are compared as this many blocks: fonts differ a little between machines, shapes do not."""


@dataclass(frozen=True)
class Scene:
    """One picture of the gallery. `input` is a model with a text, or the name of a trace made here."""

    name: str
    title: str
    input: Mapping[str, Any]
    address: str
    theme: str = "light"
    width: int = 1300
    picture: Path = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "picture", PICTURES / f"{self.name}.png")


def scenes() -> list[Scene]:
    """The scenes, in the order of the file."""
    return [Scene(**fields) for fields in json.loads((FOLDER / "scenes.json").read_text(encoding="utf-8"))]


@contextmanager
def shown(wanted: list[Scene], models: Mapping[str, Model]) -> Generator[dict[str, str]]:
    """Serves the traces of the scenes on loopback; gives the URL of each scene by its name."""
    from attnscope.server.address import listen
    from attnscope.server.serve import LocalServer
    from attnscope.session import Limits, Session

    held = {scene.name: _held(scene, models) for scene in wanted}
    session = Session(traces=held.values(), limits=Limits(trace_bytes=4 * 2**30))
    listener = listen(port=0)
    ready = threading.Event()
    server = LocalServer(session, listener, on_listening=ready.set)
    thread = threading.Thread(target=server.run, name="gallery")
    thread.start()
    try:
        if not ready.wait(60):
            raise RuntimeError("The gallery's server did not start within a minute.")
        yield {
            scene.name: f"{listener.url}#trace={quote(held[scene.name].trace.id)}&theme={scene.theme}&{scene.address}"
            for scene in wanted
        }
    finally:
        server.stop()
        thread.join(60)


def draw(scene: Scene, url: str, browser: Browser) -> Image.Image:
    """The scene as Chromium draws it, once nothing in it changes any more."""
    context = browser.new_context(
        viewport={"width": scene.width, "height": HEIGHT}, reduced_motion="reduce", color_scheme="light"
    )
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    try:
        page.goto(url)
        page.locator(".panel:visible").first.wait_for()
        page.wait_for_load_state("networkidle")
        before = b""
        for _ in range(60):
            page.wait_for_timeout(250)
            now = page.screenshot()
            if now == before:
                break
            before = now
        else:
            raise RuntimeError(f"The scene {scene.name!r} did not come to rest within 15 seconds.")
        return Image.open(io.BytesIO(before)).convert("RGB")
    finally:
        context.close()


def saved(picture: Image.Image, path: Path) -> None:
    """Writes a picture with few colours, so that it stays small."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)


def difference(one: Image.Image, other: Image.Image) -> tuple[float, float]:
    """Mean and largest difference between two pictures over blocks, as shares of black to white."""
    if one.size != other.size:
        return 1.0, 1.0
    blocks = [picture.convert("RGB").resize(SAMPLED, Image.Resampling.BOX) for picture in (one, other)]
    apart = ImageChops.difference(*blocks).convert("L").tobytes()
    return sum(apart) / len(apart) / 255, max(apart) / 255


def _held(scene: Scene, models: Mapping[str, Model]) -> HeldTrace:
    from attnscope.session import HeldTrace

    given = scene.input
    if "made" in given:
        return HeldTrace(_MADE[given["made"]](), None, "", None)
    text = given["text"] * given.get("repeat", 1)
    pair = given.get("pair")
    return HeldTrace(models[given["model"]].trace(text, pair), None, text, pair)


def _cross() -> Trace:
    """An alignment as a translation model has it, sharper from layer to layer; made by hand, not by a model."""
    import torch

    from attnscope.attention import WeightsRecord
    from attnscope.trace import Certificate, Trace
    from attnscope.trace.trace import TracedStack
    from attnscope.types import Token

    source = ["Das", "Haus", ",", "das", "Jack", "gebaut", "hat", ",", "steht", "am", "Fluss", "."]
    target = ["The", "house", "that", "Jack", "built", "stands", "by", "the", "river", "."]
    partners = torch.tensor([0, 1, 3, 4, 5, 8, 9, 9, 10, 11])
    keys = torch.arange(len(source))
    records = []
    for layer in range(6):
        near = -((keys[None] - partners[:, None]).abs().float())
        heads = [near * (0.3 + 0.5 * layer) * (1 + 0.6 * head) for head in range(4)]
        records.append(WeightsRecord(torch.stack(heads).softmax(-1)))
    return Trace(
        sides={
            "source": [Token(f" {word}", index) for index, word in enumerate(source)],
            "target": [Token(f" {word}", index) for index, word in enumerate(target)],
        },
        stacks={"cross": TracedStack(records, causal=False, query_side="target", key_side="source")},
        certificate=Certificate.of({}, tolerance=0.0, scope="sampled"),
        provenance={"model": None, "title": "an alignment made by hand", "dtype": "float32", "edits": []},
    )


def _one_head() -> Trace:
    import torch

    from attnscope import Trace

    words = ["a", " b", " c", " a", " b", " c", " a"]
    same = torch.tensor([[1.0 if one.strip() == other.strip() else 0.0 for other in words] for one in words])
    return Trace.from_attention(
        [
            ((3 * same).tril() + torch.zeros(7, 7).masked_fill(torch.ones(7, 7).triu(1).bool(), -torch.inf)).softmax(
                -1
            )[None]
        ],
        words,
    )


def _many_heads() -> Trace:
    """A Llama of 32 layers with 32 heads whose weights are random: breadth, not meaning."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from attnscope import Model

    torch.manual_seed(7)
    sizes = LlamaConfig(
        vocab_size=64,
        hidden_size=256,
        intermediate_size=64,
        num_hidden_layers=32,
        num_attention_heads=32,
        num_key_value_heads=8,
        initializer_range=0.25,
    )
    return Model(LlamaForCausalLM(sizes), None).trace([1, 5, 9, 13, 5, 9, 13, 40, 41, 5, 9, 13])


_MADE = {"cross": _cross, "one-head": _one_head, "many-heads": _many_heads}


def main() -> int:
    """Draws the pictures anew (all, or those that are named) and writes docs/gallery.md. Returns the exit status."""
    parser = argparse.ArgumentParser(description="Draws the pictures of the gallery anew.")
    parser.add_argument("names", nargs="*", help="scenes to draw; all if none is named")
    names = parser.parse_args().names
    known = scenes()
    strangers = sorted({*names} - {scene.name for scene in known})
    if strangers:
        print(f"There is no scene {strangers[0]!r}; there are {', '.join(s.name for s in known)}.", file=sys.stderr)
        return 2
    import chromium
    from playwright.sync_api import sync_playwright

    import attnscope

    wanted = [scene for scene in known if not names or scene.name in names]
    models = {name: attnscope.load(name) for name in {s.input["model"] for s in wanted if "model" in s.input}}
    program = chromium.find()
    if program is None:
        print(chromium.ADVICE, file=sys.stderr)
        return 1
    with shown(wanted, models) as urls, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        for scene in wanted:
            saved(draw(scene, urls[scene.name], browser), scene.picture)
            print(f"{scene.name}: {scene.picture.stat().st_size / 1024:.0f} KB")
        browser.close()
    PAGE.write_text(_page(known), encoding="utf-8")
    return 0


def _page(all_scenes: list[Scene]) -> str:
    head = (
        "# Gallery\n\nScenes of the interface on real input, drawn in Chromium by `make gallery`; a test draws them "
        "again and\ncompares. Models are SmolLM2-135M and MiniLM-L6, but for three shapes made for the purpose.\n"
    )
    return head + "".join(
        f"\n## {scene.title}\n\n![{scene.title}](../{scene.picture.relative_to(ROOT).as_posix()})\n"
        for scene in all_scenes
    )


if __name__ == "__main__":
    sys.exit(main())
