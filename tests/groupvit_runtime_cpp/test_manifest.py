"""Manifests in C++: accepted and refused as the Python runtime does, whatever was done to them."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from bad_bundles import NO_BUNDLES, flip_a_bit, with_additions
from changed_manifests import FULL, PLACES, VALUE, changed, changed_manifests
from damaged_bundles import DAMAGED, Damage
from hypothesis import example, given, settings
from hypothesis import strategies as st
from manifest_schema import at_the_bounds
from text_probe import TextProbe

from groupvit_runtime.errors import BundleError
from groupvit_runtime.manifest import EngineInfo, Manifest, parse_manifest
from groupvit_runtime.open_bundle import open_bundle

# What JSON readers are known to differ about.
SPELLINGS = [
    b"NaN", b"1e999", b"1e-999", b"-0", b"01", b"1.", b".5", b"+1", b"1e5", b"1E+5", b"9" * 500,
    b"9223372036854775807", b"9223372036854775808", b"-9223372036854775808", b"-9223372036854775809",
    b"\\u0000", b"\\ud800", b"\\ud83d\\ude00", b"\\udc00\\ud800", b"//", b",", b'"', b"\xef\xbb\xbf",
    b"\x0b", b"\xc2\xa0", b"\x7f", b"\xed\xa0\x80", b"\xc0\x80", b"\xf4\x90\x80\x80", b"\0",
]  # fmt: skip
NUMBERS = [
    "1", "-0", "0.5", "1e2", "1E-2", "-1.5e+3", "123456789012345678", "9007199254740993", "1e-999", "2e308",
    "0.1", "2.2250738585072011e-308", "4.9e-324", "NaN", "Infinity", "-Infinity", "0x10", "1_0", "٣", "1e",
    "--1", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809",
    "9" * 5000,
]  # fmt: skip


def described(manifest: Manifest) -> str:
    """What `described` of text_probe.cpp prints."""

    def numbers(*values: float) -> str:
        return " ".join(f"{value:.17g}" for value in values)

    def engine(info: EngineInfo) -> str:
        plan = info.tensorrt
        parts = [info.role, info.target, info.precision, info.hardware, info.normalizes or "-"]
        parts += [f"{file.path}:{file.sha256}:{file.bytes}" for file in info.all_files]
        for tensor in (*info.inputs, *info.outputs):
            parts.append(f"{tensor.name}:{tensor.dtype}:{numbers(*tensor.shape)}")
        parts += [f"{tool}={version}" for tool, version in sorted(info.versions.items())]
        if plan is not None:
            flags = (plan.version_compatible, plan.tf32, plan.stripped, plan.refittable)
            parts += [plan.flavor, plan.version, *plan.compute_capabilities, plan.rebuild]
            parts += [plan.hardware_compatibility, numbers(*flags)]
        if info.quantization is not None:
            found = info.quantization.instruction_set
            parts += ["-" if found is None else found, numbers(info.quantization.never_saturates)]
        return "|".join([*parts, "-" if info.max_batch is None else str(info.max_batch)])

    model, paper = manifest.model, manifest.decode.paper
    lines = [
        manifest.name,
        manifest.fingerprint,
        manifest.verdict or "-",
        manifest.decode.default,
        numbers(*model.image_size, model.patch_size, *model.grid, *model.groups),
        numbers(model.projection_dim, model.logit_scale, model.text_max_length, model.text_pad_id),
    ]
    lines += [engine(info) for info in manifest.engines]
    lines += ["-" if manifest.tokenizer is None else manifest.tokenizer.path, *manifest.prompts]
    for spec in (manifest.preprocessing.hf, manifest.preprocessing.paper):
        words = f"{spec.resize} {spec.filter} {spec.color_order} "
        lines.append(words + numbers(spec.antialias, *spec.mean, *spec.std, spec.rescale))
    if paper is not None:
        window = paper.window
        threshold = -1 if paper.background_threshold is None else paper.background_threshold
        sides = (window.size, window.stride, window.long_side_max)
        lines.append(numbers(*sides, threshold, paper.top_classes, paper.max_logit_scale))
    lines += [f"{each.name} {each.size} {each.file.path}" for each in manifest.vocabularies]
    return "\n".join(lines)


def check_same(probe: TextProbe, text: str | bytes) -> bool:
    """Both accept it and read the same, or both refuse it; which of the two."""
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    try:
        manifest = parse_manifest(data.decode("utf-8"), "here")
    except (BundleError, UnicodeDecodeError):
        with pytest.raises(BundleError):
            probe.parse_manifest(data)
        return False
    assert probe.parse_manifest(data) == described(manifest)
    return True


def test_a_full_manifest_is_read_as_in_python(text_probe: TextProbe) -> None:
    assert check_same(text_probe, FULL)


def test_what_a_newer_minor_version_adds_is_ignored(text_probe: TextProbe) -> None:
    newer = with_additions(VALUE)
    newer["schema_version"]["minor"] = 7
    assert check_same(text_probe, json.dumps(newer))


@pytest.mark.parametrize("place", PLACES, ids=lambda place: ".".join(map(str, place)))
def test_every_field_is_looked_at(text_probe: TextProbe, place: tuple[Any, ...]) -> None:
    for how in ("remove", "rename"):
        check_same(text_probe, json.dumps(changed(place, how, "x")))
    values: tuple[Any, ...] = (None, True, 3, 3.0, "x", [], {})
    for value in values:
        check_same(text_probe, json.dumps(changed(place, "replace", value)))


@settings(max_examples=150)
@given(changed_manifests())
def test_any_change_has_the_same_outcome(text_probe: TextProbe, value: Any) -> None:
    check_same(text_probe, json.dumps(value, ensure_ascii=False))


@pytest.mark.slow
def test_every_bound_is_kept(text_probe: TextProbe) -> None:
    for _, value in at_the_bounds():
        check_same(text_probe, json.dumps(value))


@pytest.mark.slow
@settings(max_examples=150)
@given(
    st.integers(0, len(FULL)),
    st.integers(0, 3),
    st.one_of(
        st.text(max_size=3).map(lambda text: text.encode("utf-8", "surrogatepass")),
        st.binary(max_size=3),
        st.sampled_from(SPELLINGS),
    ),
)
@example(0, 0, b"\xef\xbb\xbf")
@example(len(FULL), 0, b"\0")
def test_any_change_of_the_text_has_the_same_outcome(
    text_probe: TextProbe, start: int, removed: int, inserted: bytes
) -> None:
    data = FULL.encode()
    check_same(text_probe, data[:start] + inserted + data[start + removed :])


@pytest.mark.parametrize("number", NUMBERS)
def test_numbers_are_those_of_python(text_probe: TextProbe, number: str) -> None:
    for field in ('"logit_scale": 2.6592', '"patch_size": 16'):
        assert field in FULL
        check_same(text_probe, FULL.replace(field, f"{field.split()[0]} {number}"))


@pytest.fixture
def bundle(demo_bundles: Mapping[str, Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(demo_bundles["openvino"], tmp_path / "bundle"))


def test_exported_bundles_are_read_as_in_python(text_probe: TextProbe, demo_bundle: Path) -> None:
    assert text_probe.open_bundle(demo_bundle, verify=True) == described(open_bundle(demo_bundle).manifest)


@pytest.mark.parametrize(("damage", "message"), DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_bundle_is_refused(
    text_probe: TextProbe, bundle: Path, damage: Damage, message: str
) -> None:
    damage(bundle)
    with pytest.raises(BundleError, match=message) as caught:
        text_probe.open_bundle(bundle)
    assert "fix: " in str(caught.value)


def test_one_flipped_bit_is_noticed(text_probe: TextProbe, bundle: Path) -> None:
    flip_a_bit(bundle, "image.bin")
    text_probe.open_bundle(bundle)
    with pytest.raises(BundleError, match="not the one that was exported"):
        text_probe.open_bundle(bundle, verify=True)


@pytest.mark.parametrize(
    "path", ["./image.xml", "image.xml/", "image.xml/.", ".//image.xml", "x/../image.xml"]
)
def test_ways_to_write_a_path(text_probe: TextProbe, bundle: Path, path: str) -> None:
    text = (bundle / "manifest.json").read_text()
    (bundle / "manifest.json").write_text(text.replace('"image.xml"', json.dumps(path)))
    try:
        open_bundle(bundle)
    except BundleError:
        with pytest.raises(BundleError):
            text_probe.open_bundle(bundle)
    else:
        text_probe.open_bundle(bundle, verify=True)


def test_links_inside_a_bundle_are_fine(text_probe: TextProbe, bundle: Path, tmp_path: Path) -> None:
    (bundle / "deep").mkdir()
    (bundle / "image.xml").rename(bundle / "deep" / "image.xml")
    (bundle / "image.xml").symlink_to("deep/image.xml")
    (tmp_path / "link").symlink_to(bundle)
    for root in (bundle, tmp_path / "link", Path(f"{bundle}/")):
        open_bundle(root)
        text_probe.open_bundle(root, verify=True)


@pytest.mark.parametrize("what", NO_BUNDLES)
def test_what_is_no_bundle_is_refused(text_probe: TextProbe, tmp_path: Path, what: str) -> None:
    NO_BUNDLES[what](tmp_path / "thing")
    with pytest.raises(BundleError, match="bundle|manifest"):
        text_probe.open_bundle(tmp_path / "thing")


def test_a_folder_called_manifest_is_refused(text_probe: TextProbe, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").mkdir()
    with pytest.raises(BundleError, match="cannot be read"):
        text_probe.open_bundle(tmp_path)


@pytest.mark.parametrize("portable", [True, False])
def test_sha256_equals_hashlib(text_probe: TextProbe, portable: bool) -> None:
    data = bytes(index * 7 % 251 for index in range(1 << 12))
    for length in [*range(300), 1000, 4095, 4096]:
        for chunk in (1, 3, 63, 64, 65, 5000):
            if length // chunk < 400:
                expected = hashlib.sha256(data[:length]).hexdigest()
                assert text_probe.sha256(data[:length], chunk, portable=portable) == expected, (length, chunk)
