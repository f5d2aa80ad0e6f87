"""Label PNGs that programs read back, and overlays that people can read."""

from __future__ import annotations

import io
import tracemalloc
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import skimage.data
import skimage.io
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFont

from groupvit_runtime.colors import colors_of, palette
from groupvit_runtime.errors import LabelError, UsageError
from groupvit_runtime.heat import heat_colors, heat_overlay
from groupvit_runtime.legend import LegendEntry, draw_legend
from groupvit_runtime.render import label_png, overlay


def stripes(height: int, width: int, classes: int) -> np.ndarray:
    """Vertical stripes of equal width."""
    row = (np.arange(width) * classes // width).astype(np.uint16)
    return np.broadcast_to(row, (height, width)).copy()


def names_of(count: int) -> list[str]:
    return [f"class {index}" for index in range(count)]


class TestPalette:
    @pytest.mark.parametrize("n", [1, 2, 21, 60, 171, 256, 1500, 65_536])
    def test_colors_are_distinct(self, n: int) -> None:
        for colors in (palette(n), colors_of(names_of(n))):
            assert colors.shape == (n, 3)
            assert colors.dtype == np.uint8
            assert len(np.unique(colors, axis=0)) == n

    def test_few_classes_differ_strongly(self) -> None:
        colors = palette(64).astype(int)
        distance = np.sqrt(((colors[:, None] - colors[None]) ** 2).sum(axis=-1))
        assert distance[~np.eye(64, dtype=bool)].min() >= 40
        assert distance[:20, :20][~np.eye(20, dtype=bool)].min() > 50
        assert distance[:6, :6][~np.eye(6, dtype=bool)].min() > 90

    def test_a_larger_palette_begins_with_the_smaller(self) -> None:
        np.testing.assert_array_equal(palette(300)[:25], palette(25))

    def test_no_class_is_gray_or_dark(self) -> None:
        colors = palette(500).astype(int)
        assert (colors.max(axis=1) >= 96).all()
        assert ((colors.max(axis=1) - colors.min(axis=1))[20:] >= 64).all()

    def test_shared_results_cannot_be_written(self) -> None:
        with pytest.raises(ValueError, match="read-only"):
            palette(4)[0] = 0

    def test_nothing_has_no_palette(self) -> None:
        with pytest.raises(UsageError):
            palette(0)


class TestColorsOfNames:
    def test_are_those_of_the_hash(self) -> None:
        # The FNV-1a's author's own test vectors: "a" is 0xe40c292c, "foobar" 0xbf9cf968.
        for name, value in (("a", 0xE40C292C), ("foobar", 0xBF9CF968)):
            np.testing.assert_array_equal(colors_of([name]), palette(20)[[value % 20]])

    @given(st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=30, unique=True), st.randoms())
    def test_belong_to_the_name_unless_it_is_taken(self, names: list[str], random: Any) -> None:
        alone = {name: tuple(colors_of([name])[0]) for name in names}
        shuffled = random.sample(names, len(names))
        colors = [tuple(color) for color in colors_of(shuffled)]
        assert len(set(colors)) == len(names)
        for index, (name, color) in enumerate(zip(shuffled, colors, strict=True)):
            assert color == alone[name] or alone[name] in colors[:index]

    @pytest.mark.parametrize(("background", "unlabeled"), [(0, None), (3, 8), (None, 7)])
    def test_background_and_unlabeled_use_up_no_color(
        self, background: int | None, unlabeled: int | None
    ) -> None:
        names = names_of(9)
        colors = colors_of(names, background=background, unlabeled=unlabeled)
        special = [index for index in (background, unlabeled) if index is not None]
        if background is not None:
            assert colors[background].tolist() == [0, 0, 0]
        if unlabeled is not None:
            assert colors[unlabeled].tolist() == [128, 128, 128]
        others = [name for index, name in enumerate(names) if index not in special]
        np.testing.assert_array_equal(np.delete(colors, special, axis=0), colors_of(others))

    def test_chosen_ones_take_their_place(self) -> None:
        names = names_of(3)
        assert colors_of(names, chosen={names[1]: (1, 2, 3), "other": (9, 9, 9)})[1].tolist() == [1, 2, 3]
        np.testing.assert_array_equal(colors_of(names, chosen=palette(3)), palette(3))
        with pytest.raises(UsageError, match="2 colors, 3 names"):
            colors_of(names, chosen=palette(2))
        for wrong in ((1, 2), (0.5, 0.1, 0.2), (True, 0, 0), (256, 0, 0), "red"):
            with pytest.raises(UsageError, match="no color"):
                colors_of(names, chosen={names[0]: wrong})  # type: ignore[dict-item]


class TestLabelPng:
    @pytest.mark.parametrize(
        ("n", "mode"), [(1, "P"), (21, "P"), (256, "P"), (257, "I;16"), (65_536, "I;16")]
    )
    def test_values_come_back(self, n: int, mode: str, tmp_path: Path) -> None:
        labels = np.random.default_rng(n).integers(0, n, (13, 17)).astype(np.uint16)
        labels[0, 0] = n - 1
        label_png(labels, tmp_path / "a.png", names_of(n))
        with Image.open(tmp_path / "a.png") as image:
            assert image.format == "PNG"
            assert image.mode == mode
            np.testing.assert_array_equal(np.asarray(image), labels)

    @pytest.mark.parametrize("n", [1, 2, 4, 16, 17, 256])
    @pytest.mark.parametrize("gray", [False, True])
    def test_other_programs_read_the_labels(self, n: int, gray: bool, tmp_path: Path) -> None:
        labels = np.random.default_rng(n).integers(0, n, (13, 17)).astype(np.uint16)
        label_png(labels, tmp_path / "a.png", names_of(n), gray=gray)
        with Image.open(tmp_path / "a.png") as image:
            assert image.mode == ("L" if gray else "P")
            np.testing.assert_array_equal(np.asarray(image), labels)
        # Depth and color type, where readers that know no palette look.
        assert (tmp_path / "a.png").read_bytes()[24:26] == (b"\x08\x00" if gray else b"\x08\x03")
        colors = colors_of(names_of(n))[labels]
        read = cv2.imread(str(tmp_path / "a.png"), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(read, labels if gray else colors[:, :, ::-1])
        np.testing.assert_array_equal(skimage.io.imread(tmp_path / "a.png"), labels if gray else colors)
        if gray:
            # As a program keeps them that works with TIFFs.
            tifffile.imwrite(tmp_path / "a.tif", read)
            np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.tif"), labels)

    def test_the_palette_is_the_overlays(self) -> None:
        labels = stripes(4, 40, 5)
        file = io.BytesIO()
        label_png(labels, file, names_of(5), background=0, unlabeled=4)
        with Image.open(file) as image:
            np.testing.assert_array_equal(
                np.asarray(image.convert("RGB")), colors_of(names_of(5), background=0, unlabeled=4)[labels]
            )

    @pytest.mark.parametrize(
        "labels",
        [
            np.full((2, 2), 5, np.uint16),
            np.full((2, 2), -1, np.int64),
            np.zeros((2, 2), np.float32),
            np.zeros(4, np.uint16),
            np.zeros((0, 4), np.uint16),
        ],
    )
    def test_maps_that_do_not_fit_are_refused(self, labels: np.ndarray, tmp_path: Path) -> None:
        with pytest.raises(LabelError):
            label_png(labels, tmp_path / "a.png", names_of(5))
        assert not (tmp_path / "a.png").exists()


class TestOverlay:
    def test_colors_are_mixed_by_opacity(self) -> None:
        rgb = np.full((500, 600, 3), 200, np.uint8)
        labels = stripes(500, 600, 2)
        for opacity in (0.0, 0.25, 1.0):
            image = np.asarray(overlay(rgb, labels, ["a", "b"], opacity=opacity))
            for x, index in ((100, 0), (500, 1)):
                expected = 200 + opacity * (colors_of(["a", "b"])[index].astype(float) - 200)
                np.testing.assert_allclose(image[250, x], expected, atol=1)

    def test_the_background_stays_as_it_is(self) -> None:
        rgb = skimage.data.astronaut()
        labels = stripes(512, 512, 2)
        image = np.asarray(overlay(rgb, labels, ["background", "b"], background=0))
        np.testing.assert_array_equal(image[:512, :256], rgb[:, :256])
        assert (image[:512, 260:512] != rgb[:, 260:]).any()

    def test_borders_are_drawn_in_full_color(self) -> None:
        rgb = np.full((500, 600, 3), 200, np.uint8)
        image = np.asarray(overlay(rgb, stripes(500, 600, 2), ["a", "b"], opacity=0.2))
        assert image[250, 299].tolist() == colors_of(["a", "b"])[0].tolist()
        assert image[250, 300].tolist() == colors_of(["a", "b"])[1].tolist()
        assert image[250, 290].tolist() != colors_of(["a", "b"])[0].tolist()

    @pytest.mark.parametrize(
        ("size", "image"), [((112, 112), (560, 560)), ((480, 640), (480, 640)), ((300, 900), (600, 1800))]
    )
    def test_small_images_are_enlarged(self, size: tuple[int, int], image: tuple[int, int]) -> None:
        result = overlay(np.zeros((*size, 3), np.uint8), np.zeros(size, np.uint16), ["a"])
        assert result.width == image[1]
        assert image[0] < result.height < image[0] + result.width // 10

    @pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1), (7, 5)])
    def test_extreme_sizes(self, size: tuple[int, int]) -> None:
        result = overlay(np.zeros((*size, 3), np.uint8), np.zeros(size, np.uint16), ["a very long name " * 9])
        assert result.width >= 480
        assert max(result.size) <= 3200

    def test_strips_do_not_show(self, monkeypatch: pytest.MonkeyPatch) -> None:
        # Lines are 2 pixels wide and cross the borders of strips of any height.
        rgb = np.random.default_rng(0).integers(0, 256, (641, 700, 3), dtype=np.uint8)
        labels = np.random.default_rng(1).integers(0, 3, (41, 70)).astype(np.uint16)
        labels = labels.repeat(16, axis=0)[:641].repeat(10, axis=1)
        whole = overlay(rgb, labels, ["a", "b", "c"], background=1)
        for rows in (1, 7, 100):
            monkeypatch.setattr("groupvit_runtime.render._STRIP_PIXELS", rows * 700)
            assert overlay(rgb, labels, ["a", "b", "c"], background=1).tobytes() == whole.tobytes()

    def test_a_large_image_takes_little_memory(self) -> None:
        rgb, labels = np.zeros((3000, 4000, 3), np.uint8), np.zeros((3000, 4000), np.uint16)
        tracemalloc.start()
        try:
            overlay(rgb, labels, ["a"])
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        # The finished image is not in it: Pillow's own memory is not traced.
        assert peak < 5 * labels.size

    def test_arguments_are_left_alone(self) -> None:
        rgb, labels = np.full((50, 60, 3), 9, np.uint8), stripes(50, 60, 3)
        rgb.setflags(write=False)
        labels.setflags(write=False)
        overlay(rgb, labels, ["a", "b", "c"], background=1)

    def test_refusals(self) -> None:
        rgb, labels = np.zeros((5, 6, 3), np.uint8), np.ones((5, 6), np.uint16)
        with pytest.raises(LabelError, match="0 to 0"):
            overlay(rgb, labels, ["only one"])
        with pytest.raises(LabelError, match="same height"):
            overlay(rgb, labels.T, ["a", "b"])
        for opacity in (-0.1, 1.1, float("nan")):
            with pytest.raises(UsageError, match="opacity"):
                overlay(rgb, labels, ["a", "b"], opacity=opacity)


class TestOverlayOptions:
    RGB = np.random.default_rng(0).integers(0, 256, (120, 200, 3), dtype=np.uint8)

    def test_without_a_legend_it_has_the_images_own_size(self) -> None:
        labels = stripes(120, 200, 3)
        shown = overlay(self.RGB, labels, ["a", "b", "c"], opacity=1, legend=False, unlabeled=2)
        assert shown.size == (200, 120)
        colors = colors_of(["a", "b", "c"], unlabeled=2)
        expected = np.where((labels == 2)[:, :, None], self.RGB, colors[labels])
        np.testing.assert_array_equal(np.asarray(shown), expected)

    def test_a_palette_of_ones_own(self) -> None:
        labels = stripes(120, 200, 3)
        options: dict[str, Any] = {"opacity": 1, "legend": False, "background": 0, "unlabeled": 2}
        own = {"a": (1, 2, 3), "b": (4, 5, 6)}
        shown = np.asarray(overlay(self.RGB, labels, ["a", "b", "c"], palette=own, **options))
        assert shown[9, 9].tolist() == [1, 2, 3], "a background with a color is colored"
        assert shown[9, 99].tolist() == [4, 5, 6]
        np.testing.assert_array_equal(shown[:, 140:], self.RGB[:, 140:])


class TestHeat:
    def test_the_colors_are_viridis(self) -> None:
        levels = np.arange(256, dtype=np.uint8)[:, None]
        expected = cv2.applyColorMap(levels, cv2.COLORMAP_VIRIDIS)[:, 0, ::-1].astype(int)
        assert np.abs(heat_colors() - expected).max() <= 5

    def test_scores_are_colors_over_gray(self) -> None:
        rgb = skimage.data.astronaut()
        scores = np.broadcast_to(np.linspace(0, 1, 512, dtype=np.float32), (512, 512))
        gray = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(int)
        for opacity in (0.0, 0.6, 1.0):
            shown = np.asarray(heat_overlay(rgb, scores, "a", opacity=opacity, legend=False)).astype(int)
            assert shown.shape == (512, 512, 3)
            levels = heat_colors()[np.rint(scores * 255).astype(int)].astype(int)
            assert np.abs(shown - (opacity * levels + (1 - opacity) * gray[:, :, None])).max() <= 3

    def test_limits(self) -> None:
        rgb = np.zeros((8, 9, 3), np.uint8)
        scores = np.array([0, 0.2, 0.3, 0.4, 1], np.float32).repeat(9).reshape(5, 9)
        shown = np.asarray(heat_overlay(rgb[:5], scores, "a", opacity=1, limits=(0.2, 0.4), legend=False))
        colors = heat_colors()
        np.testing.assert_array_equal(shown[:, 0], colors[[0, 0, 128, 255, 255]])
        for limits in ((0.4, 0.4), (1, 0), (0, float("inf"))):
            with pytest.raises(UsageError, match="do not ascend"):
                heat_overlay(rgb[:5], scores, "a", limits=limits)

    @pytest.mark.parametrize("size", [(1, 1), (1, 2000), (600, 700)])
    def test_a_colorbar_says_what_they_mean(self, size: tuple[int, int], written: Written) -> None:
        scores = np.full(size, 0.5, np.float32)
        shown = heat_overlay(np.zeros((*size, 3), np.uint8), scores, "score of " + "sky " * 50)
        assert shown.width >= 480 and max(shown.size) <= 3200
        assert written.texts[0].startswith("score of sky") and written.texts[0].endswith("…")
        assert written.texts[1:] == ["0", "0.5", "1"]
        for left, top, right, bottom in written.boxes:
            assert left >= 0 and right <= shown.width and top >= 0 and bottom <= shown.height
        pixels = np.asarray(shown).reshape(-1, 3) @ [1 << 16, 1 << 8, 1]
        assert np.isin(heat_colors() @ [1 << 16, 1 << 8, 1], pixels).all(), "all colors are in the bar"

    def test_strips_do_not_show(self, monkeypatch: pytest.MonkeyPatch) -> None:
        rgb = np.random.default_rng(0).integers(0, 256, (41, 70, 3), dtype=np.uint8)
        scores = np.random.default_rng(1).random((41, 70), np.float32)
        whole = heat_overlay(rgb, scores, "a")
        monkeypatch.setattr("groupvit_runtime.render._STRIP_PIXELS", 7 * 70)
        assert heat_overlay(rgb, scores, "a").tobytes() == whole.tobytes()

    def test_refusals(self) -> None:
        rgb, scores = np.zeros((5, 6, 3), np.uint8), np.zeros((5, 6), np.float32)
        with pytest.raises(LabelError, match="same height"):
            heat_overlay(rgb, scores.T, "a")
        with pytest.raises(UsageError, match="opacity"):
            heat_overlay(rgb, scores, "a", opacity=2)


class Written:
    """What is written on an image, where; recorded in place of drawing."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.texts: list[str] = []
        self.boxes: list[tuple[float, float, float, float]] = []
        from PIL import ImageDraw

        draw = ImageDraw.ImageDraw.text

        def text(canvas, position, content, *args, **options):  # type: ignore[no-untyped-def]
            self.texts.append(content)
            font = options.get("font") or args[1]
            self.boxes.append(canvas.textbbox(position, content, font, anchor=options["anchor"]))
            return draw(canvas, position, content, *args, **options)

        monkeypatch.setattr(ImageDraw.ImageDraw, "text", text)


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Written:
    return Written(monkeypatch)


class TestLegend:
    def test_only_classes_that_occur_by_their_share(self, written: Written) -> None:
        labels = np.full((500, 500), 3, np.uint16)
        labels[:, :50] = 1
        labels[0, 499] = 4
        overlay(np.zeros((500, 500, 3), np.uint8), labels, list("abcde"))
        assert written.texts == ["d", "90.0 %", "b", "10.0 %", "e", "< 0.1 %"]

    def test_nothing_is_not_called_little(self, written: Written) -> None:
        entries = [LegendEntry(i, "abc"[i], share, None) for i, share in enumerate((0.5, 0.0002, 0.0))]
        draw_legend(Image.new("RGB", (640, 480)), entries)
        assert written.texts == ["a", "50.0 %", "b", "< 0.1 %", "c", "0.0 %"]

    def test_a_swatch_has_the_color_of_its_class(self) -> None:
        rgb = np.full((500, 600, 3), 128, np.uint8)
        legend = np.asarray(overlay(rgb, stripes(500, 600, 3), ["a", "b", "c"], opacity=0))[500:]
        for color in colors_of(["a", "b", "c"]):
            assert (legend == color).all(axis=-1).sum() > 100

    @settings(deadline=None, max_examples=40)
    @given(st.lists(st.text(max_size=60), min_size=1, max_size=90), st.integers(1, 1500), st.booleans())
    def test_nothing_overflows(self, names: list[str], width: int, square: bool) -> None:
        entries = [LegendEntry(i, name, 1 / len(names), (9, 9, 9)) for i, name in enumerate(names)]
        image = Image.new("RGB", (width, width if square else 40))
        with pytest.MonkeyPatch.context() as monkeypatch:
            written = Written(monkeypatch)
            result = draw_legend(image, entries)
        for left, top, right, bottom in written.boxes:
            assert left >= 0
            assert right <= result.width
            # An accent stacked on an accent may rise above its line, not out of the image.
            assert top >= 0
            assert bottom <= result.height + 4

    def test_a_name_never_runs_into_its_number(self, written: Written) -> None:
        names = ["a photo of a very long label indeed that goes on", *(f"class {i}" for i in range(20))]
        draw_legend(
            Image.new("RGB", (640, 480)), [LegendEntry(i, n, 0.04, (1, 2, 3)) for i, n in enumerate(names)]
        )
        pairs = list(zip(written.boxes[::2], written.boxes[1::2], strict=True))
        assert len(pairs) == 21
        for name, number in pairs:
            assert name[2] < number[0]
        assert written.texts[0].startswith("a photo of a very")
        assert written.texts[0].endswith("…")
        # Nor a number into the next column's swatch.
        columns = sorted({round(name[0]) for name, _ in pairs})
        assert len(columns) >= 2
        first_numbers = [number[2] for name, number in pairs if round(name[0]) == columns[0]]
        assert max(first_numbers) < columns[1] - 16

    def test_many_classes_are_summed_up(self, written: Written) -> None:
        entries = [LegendEntry(i, f"class {i}", 1 / 171, (9, 9, 9)) for i in range(171)]
        result = draw_legend(Image.new("RGB", (640, 480)), entries)
        assert written.texts[-1] == "and 111 more, 64.9 % together"
        assert result.height < 3 * 480

    def test_text_grows_with_the_image(self) -> None:
        entries = [LegendEntry(0, "cat", 1.0, (9, 9, 9))]
        heights = [draw_legend(Image.new("RGB", (w, 10)), entries).height - 10 for w in (480, 1200, 4000)]
        assert heights[0] < heights[1] < heights[2]

    def test_names_in_other_scripts_are_shown_with_their_index(self, written: Written) -> None:
        entries = [
            LegendEntry(i, n, 0.2, None) for i, n in enumerate(["猫", "кошка", "naïve café", "🐈", "a\nb"])
        ]
        draw_legend(Image.new("RGB", (640, 480)), entries)
        assert written.texts[::2] == ["#0 猫", "#1 кошка", "naive cafe", "#3 🐈", "a b"]

    def test_a_font_of_ones_own(self, tmp_path: Path) -> None:
        entries = [LegendEntry(0, "cat", 1.0, (9, 9, 9))]
        default = ImageFont.load_default(14)
        assert isinstance(default, ImageFont.FreeTypeFont)
        (tmp_path / "font.ttf").write_bytes(default.font_bytes)
        own = draw_legend(Image.new("RGB", (480, 10)), entries, tmp_path / "font.ttf")
        default_size = draw_legend(Image.new("RGB", (480, 10)), entries).size
        assert own.size == default_size
        assert (np.asarray(own)[10:] < 60).all(axis=-1).sum() > 20
        with pytest.raises(OSError, match=r"resource|font|open"):
            draw_legend(Image.new("RGB", (480, 10)), entries, tmp_path / "gone.ttf")
