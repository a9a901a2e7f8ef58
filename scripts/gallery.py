"""Make the gallery: small screenshots of the interface on real input, taken in Chromium.

`frontend/gallery/scenes.json` defines each scene: an input, an address (the URL hash), a theme and a width. docs/gallery.md shows
the screenshots, and a test compares new ones with them. `make gallery` takes them again; look at them before you commit them.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from PIL import Image, ImageChops

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from attnscope import Model, Trace
    from attnscope.session import Session, StoredTrace

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "frontend" / "gallery"
PICTURES = FOLDER / "pictures"
PAGE = ROOT / "docs" / "gallery.md"
HEIGHT = 780
COLORS = 128
PATIENCE_MS = 90_000
SAMPLED = (60, 40)
"""Screenshots are compared after averaging over this many blocks: fonts differ slightly between machines, shapes don't."""


@dataclass(frozen=True)
class Scene:
    """One screenshot of the gallery. `input` is a model with a text, or the name of a trace that this script makes."""

    name: str
    title: str
    input: Mapping[str, Any]
    address: str
    theme: str = "light"
    width: int = 1300
    screenshot: Path = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "screenshot", PICTURES / f"{self.name}.png")


def scenes() -> list[Scene]:
    """The scenes, in the order of the file."""
    return [Scene(**fields) for fields in json.loads((FOLDER / "scenes.json").read_text(encoding="utf-8"))]


@contextmanager
def shown(wanted: list[Scene], models: Mapping[str, Model]) -> Generator[dict[str, str]]:
    """Serve the traces of the scenes on loopback. Yields the URL of each scene, by its name."""
    from attnscope.session import Limits, Session

    stored = {scene.name: _stored_trace(scene, models) for scene in wanted}
    with served(Session(traces=stored.values(), limits=Limits(trace_bytes=4 * 2**30))) as url:
        yield {
            scene.name: f"{url}#trace={quote(stored[scene.name].trace.id)}&theme={scene.theme}&{scene.address}"
            for scene in wanted
        }


@contextmanager
def served(session: Session) -> Generator[str]:
    """Serve a session on loopback from a thread. Yields its address, including the token."""
    from attnscope.server.address import listen
    from attnscope.server.serve import LocalServer

    listener = listen(port=0)
    ready = threading.Event()
    server = LocalServer(session, listener, on_listening=ready.set)
    thread = threading.Thread(target=server.run, name="gallery")
    thread.start()
    try:
        if not ready.wait(60):
            raise RuntimeError("The server did not start within a minute.")
        yield listener.url
    finally:
        server.stop()
        thread.join(60)


def draw(scene: Scene, url: str, browser: Browser, ratio: float = 1) -> Image.Image:
    """Take a screenshot of the scene once it no longer changes, with `ratio` device pixels per CSS pixel."""
    context = browser.new_context(
        viewport={"width": scene.width, "height": HEIGHT},
        device_scale_factor=ratio,
        reduced_motion="reduce",
        color_scheme="light",
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
            raise RuntimeError(f"The scene {scene.name!r} was still changing after 15 seconds.")
        return Image.open(io.BytesIO(before)).convert("RGB")
    finally:
        context.close()


def save(screenshot: Image.Image, path: Path) -> None:
    """Save a screenshot with few colors, so that the file is small."""
    path.parent.mkdir(parents=True, exist_ok=True)
    screenshot.quantize(COLORS, dither=Image.Dither.NONE).save(path, optimize=True)


def difference(one: Image.Image, other: Image.Image) -> tuple[float, float]:
    """The mean and the largest difference between the blocks of two screenshots, as fractions of black to white."""
    if one.size != other.size:
        return 1.0, 1.0
    blocks = [screenshot.convert("RGB").resize(SAMPLED, Image.Resampling.BOX) for screenshot in (one, other)]
    apart = ImageChops.difference(*blocks).convert("L").tobytes()
    return sum(apart) / len(apart) / 255, max(apart) / 255


def _stored_trace(scene: Scene, models: Mapping[str, Model]) -> StoredTrace:
    from attnscope.session import InputText, StoredTrace

    fields = scene.input
    if "made" in fields:
        trace = _MADE[fields["made"]]()
        return (
            StoredTrace.without_model(trace)
            if trace.provenance.get("text")
            else StoredTrace(trace, None, InputText(""))
        )
    text = fields["text"] * fields.get("repeat", 1)
    pair = fields.get("pair")
    return StoredTrace(models[fields["model"]].trace(text, pair), None, InputText(text, pair))


def _cross() -> Trace:
    """A synthetic alignment as in a translation model: cross-attention that is sharper in later layers, and both other stacks."""
    import torch

    source = ["Das", "Haus", ",", "das", "Jack", "gebaut", "hat", ",", "steht", "am", "Fluss", "."]
    target = ["The", "house", "that", "Jack", "built", "stands", "by", "the", "river", "."]
    partners = torch.tensor([0, 1, 3, 4, 5, 8, 9, 9, 10, 11])
    keys = torch.arange(len(source))
    near = -((keys[None] - partners[:, None]).abs().float())
    around = -((keys[None] - keys[:, None]).abs().float())
    back = around[: len(target), : len(target)].masked_fill(torch.ones(len(target), len(target)).triu(1).bool(), -1e9)
    return _by_hand(
        {"source": source, "target": target},
        {
            "encoder": _sharpening(around, 4, 4) | {"query_side": "source", "key_side": "source"},
            "decoder": _sharpening(back, 6, 4) | {"causal": True, "query_side": "target", "key_side": "target"},
            "cross": _sharpening(near, 6, 4) | {"query_side": "target", "key_side": "source"},
        },
        "an alignment made by hand",
    )


def hybrid(edits: Sequence[Mapping[str, Any]] = ()) -> Trace:
    """A synthetic decoder with attention in every fourth layer, as in hybrids of state-space and attention layers."""
    import torch

    words = [
        "The",
        "river",
        "rose",
        "in",
        "the",
        "night",
        ",",
        "and",
        "in",
        "the",
        "morning",
        "the",
        "bridge",
        "was",
        "gone",
        ".",
    ]
    places = torch.arange(len(words))
    apart = (places[:, None] - places[None]).float()
    score = (-(apart - 1).abs() - 0.2 * apart).masked_fill(apart < 0, -1e9)
    made = _sharpening(score, 12, 4)
    made["records"] = [record if layer % 4 == 3 else None for layer, record in enumerate(made["records"])]
    sides = {"causal": True, "query_side": "text", "key_side": "text"}
    return _by_hand({"text": words}, {"decoder": made | sides}, "a hybrid made by hand", edits)


def _sharpening(scores: Any, layers: int, heads: int) -> dict[str, Any]:
    """Layers with the softmax of these scores as attention, sharper with each head and each layer."""
    import torch

    from attnscope.attention import WeightsRecord

    sharp = [[scores * (0.3 + 0.5 * layer) * (1 + 0.6 * head) for head in range(heads)] for layer in range(layers)]
    return {"records": [WeightsRecord(torch.stack(one).softmax(-1)) for one in sharp], "causal": False}


def _by_hand(
    sides: Mapping[str, list[str]],
    stacks: Mapping[str, Mapping[str, Any]],
    title: str,
    edits: Sequence[Mapping[str, Any]] = (),
) -> Trace:
    from attnscope.trace import Certificate, Trace
    from attnscope.trace.stack import TracedStack
    from attnscope.types import Token

    texts = dict(zip(("text", "target"), (" ".join(words) for words in sides.values()), strict=False))
    return Trace(
        sides={side: [Token(f" {word}", index) for index, word in enumerate(words)] for side, words in sides.items()},
        stacks={name: TracedStack(**made) for name, made in stacks.items()},
        certificate=Certificate.of({}, tolerance=0.0, scope="sampled"),
        provenance={"model": None, "title": title, "dtype": "float32", "edits": list(edits), **texts},
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
            )[None, None]
        ],
        words,
    )


def _many_heads() -> Trace:
    """A Llama with 32 layers of 32 heads and random weights: it shows size, not meaning."""
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


_MADE = {"cross": _cross, "hybrid": hybrid, "one-head": _one_head, "many-heads": _many_heads}


def main() -> int:
    """Take the screenshots again (all, or the named ones) and write docs/gallery.md. Returns the exit status."""
    parser = argparse.ArgumentParser(description="Take the screenshots of the gallery again.")
    parser.add_argument("names", nargs="*", help="scenes to draw; all by default")
    names = parser.parse_args().names
    known = scenes()
    unknown = sorted({*names} - {scene.name for scene in known})
    if unknown:
        print(f"Unknown scene {unknown[0]!r}. Scenes: {', '.join(s.name for s in known)}.", file=sys.stderr)
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
            save(draw(scene, urls[scene.name], browser), scene.screenshot)
            print(f"{scene.name}: {scene.screenshot.stat().st_size / 1024:.0f} KB")
        browser.close()
    PAGE.write_text(_page(known), encoding="utf-8")
    return 0


def _page(all_scenes: list[Scene]) -> str:
    head = (
        "# Gallery\n\nScreenshots of the interface on real input, taken in Chromium by `make gallery`. A test takes them "
        "again and\ncompares. The models are SmolLM2-135M and MiniLM-L6, except in four synthetic scenes.\n"
    )
    return head + "".join(
        f"\n## {scene.title}\n\n![{scene.title}](../{scene.screenshot.relative_to(ROOT).as_posix()})\n"
        for scene in all_scenes
    )


if __name__ == "__main__":
    sys.exit(main())
