"""Images in the page: choosing one, hovering over, pinning and stepping through its patches, and an exported file."""

from __future__ import annotations

import re
from pathlib import Path

import gallery
import numpy as np
import pytest
import torch
import transformers as tf
from helpers.app_process import running_app
from PIL import Image
from playwright.sync_api import Page, expect

import attnscope
from attnscope.session import ModelEntry, Session

DROP = """([page, bytes]) => {
    const carried = new DataTransfer();
    carried.items.add(new File([new Uint8Array(bytes)], "photo.png", {type: "image/png"}));
    for (const type of ["dragover", "drop"])
        page.dispatchEvent(new DragEvent(type, {dataTransfer: carried, bubbles: true, composed: true, cancelable: true}));
}"""


@pytest.fixture(scope="module")
def eyes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny ViT (4 × 4 patches), its image processor, and a photo of noise."""
    folder = tmp_path_factory.mktemp("eyes")
    torch.manual_seed(0)
    config = tf.ViTConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=16,
        image_size=64,
        patch_size=16,
        initializer_range=0.2,
    )
    tf.ViTModel(config).save_pretrained(folder)
    tf.ViTImageProcessorPil(size={"height": 64, "width": 64}).save_pretrained(folder)
    noise = np.random.default_rng(3).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(folder / "photo.png")
    return folder


def test_an_image_can_be_chosen_and_its_patches_attention_read(page: Page, eyes: Path) -> None:
    exact = attnscope.load(eyes).trace(eyes / "photo.png")
    with running_app("serve", str(eyes)) as url:
        page.goto(url)
        page.get_by_test_id("image-file").set_input_files(str(eyes / "photo.png"))
        picture = page.get_by_test_id("picture-1")
        expect(picture).to_be_visible(timeout=60_000)
        readout = page.get_by_test_id("readout")
        box = picture.bounding_box()
        assert box is not None
        cell = box["width"] / 4
        # Row 1, column 2 is token 7, after [CLS]: pin it in head 0.1, then read its attention to row 3, column 0.
        picture.click(position={"x": 2.5 * cell, "y": 1.5 * cell})
        expect(page.get_by_test_id("query-7")).to_have_attribute("aria-selected", "true")
        page.mouse.move(box["x"] + 0.5 * cell, box["y"] + 3.5 * cell)
        expect(readout).to_contain_text("patch 1,2 → patch 3,0")
        expect(readout).to_contain_text("head 0.1")
        shown = re.search(r"0\.\d+", readout.inner_text())
        assert shown is not None
        assert float(shown[0]) == pytest.approx(float(exact.attention(0, 1)[7, 13]), abs=0.01)
        page.mouse.move(5, 5)
        picture.press("ArrowDown")
        expect(page.get_by_test_id("picture-view")).to_contain_text("From patch 2,2")
        page.get_by_test_id("special-0").hover()
        expect(page.get_by_test_id("picture-view")).to_contain_text("From [CLS]")


def test_an_image_dropped_on_the_empty_page_is_run(page: Page, eyes: Path) -> None:
    with gallery.served(Session([ModelEntry.loaded(attnscope.load(eyes))])) as url:
        page.goto(url)
        welcome = page.get_by_test_id("welcome")
        expect(welcome).to_contain_text("Choose an image")
        with page.expect_file_chooser():
            page.get_by_test_id("welcome-image").click()
        page.evaluate(DROP, [welcome.element_handle(), list((eyes / "photo.png").read_bytes())])
        expect(page.get_by_test_id("picture-0")).to_be_visible()


def test_an_image_text_model_accepts_an_image_alone(page: Page, eyes: Path) -> None:
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 32}
    words = {"vocab_size": 99, "max_position_embeddings": 20, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    config = tf.CLIPConfig(text_config=sizes | words, vision_config=sizes | {"image_size": 64, "patch_size": 16})
    processor = tf.CLIPImageProcessorPil(size={"shortest_edge": 64}, crop_size={"height": 64, "width": 64})
    with gallery.served(Session([ModelEntry.loaded(attnscope.Model(tf.CLIPModel(config).eval(), processor))])) as url:
        page.goto(url)
        run = page.get_by_test_id("run")
        expect(run).to_be_disabled()
        page.get_by_test_id("image-file").set_input_files(str(eyes / "photo.png"))
        expect(page.get_by_test_id("prompt")).to_have_attribute("placeholder", "Text to go with the image (optional)")
        run.click()
        expect(page.get_by_test_id("picture-0")).to_be_visible()


def test_an_exported_file_contains_its_image(page: Page, eyes: Path, tmp_path: Path) -> None:
    attnscope.export(attnscope.load(eyes).trace(eyes / "photo.png"), tmp_path / "p.html")
    page.goto((tmp_path / "p.html").as_uri())
    expect(page.get_by_test_id("picture-0")).to_be_visible(timeout=60_000)
    drawn = "canvas => canvas.getContext('2d').getImageData(5, 5, 1, 1).data[3]"
    assert page.get_by_test_id("picture-0").locator("canvas").evaluate(drawn) == 255
