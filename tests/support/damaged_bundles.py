"""Bundles and manifests that every runtime refuses, and a manifest in which every field is used."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

from bad_bundles import (
    BROKEN_SCHEMA,
    LEAVING_PATHS,
    NO_OBJECTS,
    OLD_COMMAND,
    OLDER_SCHEMAS,
    OTHER_MANIFESTS,
    OTHER_SCHEMAS,
    Change,
    edit_manifest,
    link_outside,
    make_older,
    truncate,
)

from groupvit_runtime.contract import CLIP_MEAN, CLIP_STD, PaperDecode, Preprocessing, SlidingWindow
from groupvit_runtime.manifest import (
    DecodeInfo,
    EngineInfo,
    FileInfo,
    Manifest,
    MeasuredInfo,
    ModelInfo,
    Preprocessings,
    ProfileInfo,
    QuantizationInfo,
    TensorInfo,
    TensorRTInfo,
    VocabularyInfo,
)

Damage = Callable[[Path], object]


def edited(change: Change) -> Damage:
    return lambda bundle: edit_manifest(bundle, change)


def _path(path: str) -> Damage:
    return edited(lambda value: value["engines"][0]["files"][0].update(path=path))


def _text(old: str, new: str) -> Damage:
    def damage(bundle: Path) -> None:
        path = bundle / "manifest.json"
        text = json.dumps(json.loads(path.read_text(encoding="utf-8")))
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    return damage


def _whole(data: bytes) -> Damage:
    return lambda bundle: (bundle / "manifest.json").write_bytes(data)


def _link_to_itself(bundle: Path) -> None:
    (bundle / "image.xml").unlink()
    (bundle / "image.xml").symlink_to("image.xml")


_FIELDS = "has another type|are not those of this schema"
_NOT_JSON = "is not JSON"
# What was done to a copy of the demo's OpenVINO bundle, and what the message says.
DAMAGED: Final[dict[str, tuple[Damage, str]]] = {
    **{
        f"schema version {version!r}": (
            edited(lambda value, version=version: value.update(schema_version=version)),
            "schema version|has another type",
        )
        for version in OTHER_SCHEMAS
    },
    **{
        f"the older schema version {version}": (
            edited(lambda value, version=version: make_older(value, version)),
            f"older schema version(.|\n)*fix: .*{OLD_COMMAND}",
        )
        for version in OLDER_SCHEMAS
    },
    "an older bundle that was not made by a command": (
        edited(lambda value: make_older(value, 4, "groupvit_export.export.export_bundle")),
        "older schema version(.|\n)*fix: .*groupvit export --target",
    ),
    **{
        f"the manifest of {what}": (_whole(json.dumps(value).encode()), "not the manifest of a bundle")
        for what, value in OTHER_MANIFESTS.items()
    },
    "what this version cannot do": (
        edited(lambda value: value.update(requires=["tiles"])),
        "requires what(.|\n)*tiles",
    ),
    "a requirement that is no list": (edited(lambda value: value.update(requires="tiles")), _FIELDS),
    **{
        what: (edited(change), f"{_FIELDS}|cannot be followed|contradict|out of bounds")
        for what, change in BROKEN_SCHEMA.items()
    },
    "no schema version": (edited(lambda value: value.pop("schema_version")), "schema version"),
    "a size with three sides": (edited(lambda value: value["model"].update(grid=[7, 7, 7])), _FIELDS),
    "a scale that is true": (edited(lambda value: value["model"].update(logit_scale=True)), _FIELDS),
    "a patch size with a point": (edited(lambda value: value["model"].update(patch_size=16.0)), _FIELDS),
    "an unknown verdict": (edited(lambda value: value.update(verdict="pass")), _FIELDS),
    "a filter without antialiasing": (
        edited(lambda value: value["preprocessing"]["hf"].update(filter="bicubic", antialias=False)),
        "cannot be followed|out of bounds",
    ),
    "a std of zero": (
        edited(lambda value: value["preprocessing"]["paper"].update(std=[1, 0, 1])),
        "cannot be followed|out of bounds",
    ),
    "gaps between windows": (
        edited(lambda value: value["decode"]["paper"]["window"].update(stride=10**4)),
        "cannot be followed|out of bounds",
    ),
    **{f"the path {path!r}": (_path(path), "outside the bundle") for path in (*LEAVING_PATHS, "a/..")},
    "a path that is too long": (_path("x" * 5000), "cannot be read|missing|out of bounds"),
    "a folder in place of a file": (_path("."), "missing"),
    "a link that leaves the bundle": (link_outside, "link that leaves"),
    "a link to itself": (_link_to_itself, "cannot be read|missing|out of bounds"),
    **{
        f"without {name}": (lambda bundle, name=name: (bundle / name).unlink(), f"missing(.|\n)*{name}")
        for name in ("image.bin", "text.xml", "tokenizer.json")
    },
    "half of image.bin": (lambda bundle: truncate(bundle, "image.bin"), "truncated(.|\n)*image.bin"),
    "half of text.bin": (lambda bundle: truncate(bundle, "text.bin"), "truncated(.|\n)*text.bin"),
    "a size that is negative": (
        edited(lambda value: value["engines"][0]["files"][0].update(bytes=-1)),
        "out of bounds",
    ),
    **{
        f"the text {text[:10]!r}": (_whole(text.encode()), f"{_NOT_JSON}|not the manifest")
        for text in (*NO_OBJECTS, '{"a":' * 100_000, "{}{}", "\0", "\ufeff{}")
    },
    "bytes that are no text": (_whole(b"\xff\xfe\x00"), f"cannot be read|{_NOT_JSON}"),
    "no number": (_text('"logit_scale": ', '"logit_scale": NaN, "was": '), _NOT_JSON),
    "infinity": (_text('"logit_scale": ', '"logit_scale": -Infinity, "was": '), _NOT_JSON),
    "beyond float64": (_text('"logit_scale": ', '"logit_scale": 1e999, "was": '), _NOT_JSON),
    "beyond 64 bits": (_text('"bytes": ', '"bytes": 1' + "0" * 30 + ', "was": '), _NOT_JSON),
    "a name twice": (_text('"name": ', '"name": "x", "name": '), _NOT_JSON),
    "half a surrogate pair": (_text('"name": "', '"name": "\\ud800'), _NOT_JSON),
    "too many levels": (_text('"name": ', '"deep": ' + "[" * 70 + "]" * 70 + ', "name": '), _NOT_JSON),
    "a comment": (_text("{", "{/* hello */"), _NOT_JSON),
    "a comma too many": (_text("]", ",]"), _NOT_JSON),
    "text behind it": (lambda bundle: (bundle / "manifest.json").open("a").write("x"), _NOT_JSON),
    "a zero behind it": (lambda bundle: (bundle / "manifest.json").open("a").write("\0"), _NOT_JSON),
    "a manifest too large": (
        lambda bundle: (bundle / "manifest.json").open("a").write(" " * (4 << 20)),
        "too large",
    ),
    "no manifest": (lambda bundle: (bundle / "manifest.json").unlink(), "not a bundle"),
}


def full_manifest() -> Manifest:
    """A manifest in which nothing is left out or empty."""
    file = FileInfo("image.onnx", "0" * 64, 12)
    window = SlidingWindow(size=224, stride=112, long_side_max=2048)
    profile = ProfileInfo("pixels", (1, 224, 224, 3), (1, 224, 224, 3), (8, 224, 224, 3))
    plan = TensorRTInfo(
        "rtx", "1.4", ("8.9",), "ampere+", True, False, True, True, (profile,), "groupvit export"
    )
    engines = tuple(
        EngineInfo(
            role=role,
            target="trt",
            precision="fp32" if role == "image" else "int8",
            files=(file, FileInfo("deep/er/image.bin", "f" * 64, 0)),
            inputs=inputs,
            outputs=(*outputs, TensorInfo("count", "int64", ())),
            versions={"tensorrt_rtx": "1.4", "": "é"},
            hardware="any GPU",
            source=file,
            tensorrt=plan,
            normalizes="paper",
            quantization=QuantizationInfo("avx2", never_saturates=True),
        )
        for role, inputs, outputs in (
            (
                "image",
                (TensorInfo("pixels", "uint8", (-1, 224, 224, 3)),),
                (
                    TensorInfo("image_embeds", "float32", (-1, 64)),
                    TensorInfo("group_embeds", "float32", (-1, 12, 64)),
                    TensorInfo("masks", "float32", (-1, 12, 14, 14)),
                ),
            ),
            (
                "text",
                (TensorInfo("input_ids", "int64", (-1, -1)),),
                (TensorInfo("text_embeds", "float32", (-1, 64)),),
            ),
        )
    )
    return Manifest(
        name="everything 猫",
        fingerprint="a" * 64,
        verdict="AMBIGUOUS",
        model=ModelInfo((224, 224), 16, (14, 14), (24, 12), 64, 2.6592, 77, 49407),
        engines=engines,
        tokenizer=FileInfo("tokenizer.json", "1" * 64, 3),
        prompts=("a {}.", "{}"),
        preprocessing=Preprocessings(
            Preprocessing(resize="whole", antialias=True, mean=CLIP_MEAN, std=CLIP_STD, filter="lanczos"),
            Preprocessing(
                resize="short_side",
                filter="opencv_bilinear",
                antialias=False,
                mean=(0, 0.5, 1),
                std=(1, 2, 3),
                color_order="BGR",
            ),
        ),
        decode=DecodeInfo("hf", PaperDecode(window=window, background_threshold=0.95, top_classes=4)),
        vocabularies=(VocabularyInfo("voc", 21, FileInfo("vocabularies/voc.safetensors", "2" * 64, 99)),),
        alternatives=(replace(engines[0], precision="int8"),),
        measured=MeasuredInfo(("avx512_vnni", "avx512_bf16"), ("int8", "fp32")),
    )
