"""The scenes of the gallery look like their stored screenshots."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import gallery
import pytest
from PIL import Image
from playwright.sync_api import Browser

import attnscope

SCENES = gallery.scenes()
CHANGED = gallery.ROOT / ".test-output" / "gallery"
MEAN, LARGEST = 0.012, 0.25
"""Differences in fonts and hinting stay below these thresholds; a missing, empty or differently colored panel does not."""


@pytest.fixture(scope="module")
def urls(smollm2: attnscope.Model, minilm: attnscope.Model) -> Iterator[dict[str, str]]:
    with gallery.shown(SCENES, {"smollm2": smollm2, "minilm": minilm}) as urls:
        yield urls


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_a_scene_looks_like_its_screenshot(scene: gallery.Scene, urls: dict[str, str], browser: Browser) -> None:
    drawn = gallery.draw(scene, urls[scene.name], browser)
    mean, largest = gallery.difference(drawn, Image.open(scene.screenshot))
    if mean > MEAN or largest > LARGEST:
        kept = CHANGED / f"{scene.name}.png"
        gallery.save(drawn, kept)
        pytest.fail(
            f"The scene {scene.name!r} differs from its screenshot by {mean:.3f} on average and {largest:.2f} at most. "
            f"Look at {kept.relative_to(gallery.ROOT)}; if it is right, run `make gallery ARGS={scene.name}`."
        )


def test_a_scene_looks_the_same_with_two_device_pixels_per_css_pixel(urls: dict[str, str], browser: Browser) -> None:
    scene = SCENES[0]
    drawn = gallery.draw(scene, urls[scene.name], browser, ratio=2)
    stored = Image.open(scene.screenshot)
    assert drawn.size == (2 * stored.width, 2 * stored.height)
    mean, largest = gallery.difference(drawn.resize(stored.size, Image.Resampling.BOX), stored)
    assert mean <= 2 * MEAN and largest <= LARGEST, (mean, largest)


def test_the_comparison_detects_missing_lines(tmp_path: Path) -> None:
    screenshot = Image.open(SCENES[0].screenshot).convert("RGB")
    wiped = screenshot.copy()
    wiped.paste(
        (255, 255, 255), (screenshot.width // 3, screenshot.height // 3, 2 * screenshot.width // 3, screenshot.height)
    )
    mean, largest = gallery.difference(screenshot, wiped)
    assert mean > MEAN or largest > LARGEST


def test_every_screenshot_belongs_to_a_scene_and_the_docs_show_all() -> None:
    assert {path.stem for path in gallery.PICTURES.glob("*.png")} == {scene.name for scene in SCENES}
    text = gallery.PAGE.read_text(encoding="utf-8")
    assert all(scene.screenshot.name in text and scene.title in text for scene in SCENES)
