"""`manifest.json`: everything a bundle says about itself, as frozen dataclasses.

The engine files beside it stay byte-pure; whatever a runtime must know to use them is here.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final, Literal, cast, get_args

from groupvit_runtime import strict_json
from groupvit_runtime.contract import PaperDecode, Preprocessing
from groupvit_runtime.errors import BundleError, UsageError
from groupvit_runtime.serialize import from_json, to_json

SCHEMA_VERSION: Final = 4
MANIFEST_NAME: Final = "manifest.json"
MAX_MANIFEST_BYTES: Final = 4 << 20

DecodeName = Literal["hf", "paper"]
Role = Literal["image", "text"]
Verdict = Literal["PASS", "AMBIGUOUS", "FAIL"]


@dataclass(frozen=True)
class FileInfo:
    """A file of the bundle: path relative to the bundle with forward slashes, sha256 and size."""

    path: str
    sha256: str
    bytes: int

    def __post_init__(self) -> None:
        path = PurePosixPath(self.path)
        if (
            not self.path
            or path.is_absolute()
            or ".." in path.parts
            or "\\" in self.path
            or ":" in self.path
            or "\0" in self.path
        ):
            raise BundleError(
                "the manifest names a file outside the bundle",
                got=repr(self.path),
                expected="a relative path without '..'",
                fix="do not use this bundle; get it again from where it was exported",
            )

    @staticmethod
    def of(root: Path, path: str) -> FileInfo:
        """Describe `root / path`."""
        file = root / path
        return FileInfo(path=path, sha256=sha256_of(file), bytes=file.stat().st_size)

    def locate(self, root: Path) -> Path:
        """Full path after checking that the file is inside `root`, there, and of the right size.

        Raises:
            BundleError: it is none of these.
        """
        file = root / self.path
        try:
            resolved, is_file = file.resolve(), file.is_file()
        except (OSError, RuntimeError) as error:  # a name too long, a loop of links
            raise BundleError(
                "a file of the bundle cannot be read",
                got=f"{file}: {error}",
                expected="a file that this process may read",
                fix="copy the bundle again, or export it again",
            ) from error
        if not resolved.is_relative_to(root.resolve()):
            raise BundleError(
                "a file of the bundle is a link that leaves it",
                got=f"{self.path} -> {resolved}",
                expected=f"a file below {root}",
                fix="copy the bundle with its files, not links to them",
            )
        if not is_file:
            raise BundleError(
                "a file of the bundle is missing",
                got=f"no {file}",
                expected=f"{self.path}, {self.bytes} bytes",
                fix="copy the whole folder, or export it again",
            )
        size = file.stat().st_size
        if size != self.bytes:
            raise BundleError(
                "a file of the bundle is truncated or was changed",
                got=f"{file} has {size} bytes",
                expected=f"{self.bytes} bytes",
                fix="copy the bundle again, or export it again",
            )
        return file

    def verify(self, root: Path) -> Path:
        """Like `locate`, and compares the contents with the recorded hash.

        Raises:
            BundleError: the file is missing, truncated or not the one that was exported.
        """
        file = self.locate(root)
        digest = sha256_of(file)
        if digest != self.sha256:
            raise BundleError(
                "a file of the bundle is not the one that was exported",
                got=f"{file} has sha256 {digest}",
                expected=f"sha256 {self.sha256}",
                fix="copy the bundle again, or export it again",
            )
        return file


@dataclass(frozen=True)
class TensorInfo:
    """An input or output: name, NumPy dtype name, shape with -1 for a dimension chosen at run time."""

    name: str
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class ProfileInfo:
    """The shapes of one input that an engine takes, and the one it is tuned for."""

    name: str
    min: tuple[int, ...]
    opt: tuple[int, ...]
    max: tuple[int, ...]

    def __post_init__(self) -> None:
        ranks = {len(shape) for shape in (self.min, self.opt, self.max)}
        if (
            len(ranks) != 1
            or 0 in ranks
            or not all(
                1 <= low <= middle <= high
                for low, middle, high in zip(self.min, self.opt, self.max, strict=True)
            )
        ):
            raise BundleError(
                f"the profile of {self.name} is none",
                got=f"min {list(self.min)}, opt {list(self.opt)}, max {list(self.max)}",
                expected="1 <= min <= opt <= max in every dimension",
                fix="export the bundle again",
            )

    def accepts(self, shape: tuple[int, ...]) -> bool:
        """Whether the engine takes this shape."""
        return len(shape) == len(self.min) and all(
            low <= side <= high for low, side, high in zip(self.min, shape, self.max, strict=True)
        )


@dataclass(frozen=True)
class TensorRTInfo:
    """What a TensorRT engine is bound to; checked before it is deserialized.

    Attributes:
        flavor: "tensorrt", or "rtx" for TensorRT-RTX.
        version: of the flavor, exactly.
        compute_capabilities: of the GPUs it was built for, "8.9"; empty for the default of TensorRT-RTX.
        hardware_compatibility: "none", "ampere+" or "same-cc"; how far beyond these it runs.
        version_compatible: whether newer versions of the same major version run it.
        tf32: whether float32 products may be rounded to 10 bits.
        stripped: whether its weights are taken from `EngineInfo.source` when it is loaded.
        refittable: whether its weights can be replaced.
        profiles: of every input.
        rebuild: the command that builds it anew.
    """

    flavor: Literal["tensorrt", "rtx"]
    version: str
    compute_capabilities: tuple[str, ...]
    hardware_compatibility: Literal["none", "ampere+", "same-cc"]
    version_compatible: bool
    tf32: bool
    stripped: bool
    refittable: bool
    profiles: tuple[ProfileInfo, ...]
    rebuild: str

    def __post_init__(self) -> None:
        if not self.profiles:
            raise BundleError(
                "the engine has no profile",
                got="an empty list",
                expected="one for every input",
                fix="export the bundle again",
            )


@dataclass(frozen=True)
class Float32Nodes:
    """Graph nodes that stayed in float32 in an engine of a lower precision, and why."""

    reason: str
    nodes: tuple[str, ...]


@dataclass(frozen=True)
class QuantizedLayer:
    """A layer that int8 was tried on.

    Attributes:
        name: of its node in the graph.
        quantized: False where it was given back to a higher precision.
        sensitivity: percent of the judged pixels that take another class when it alone is quantized; None
            where that was not measured.
    """

    name: str
    quantized: bool
    sensitivity: float | None


@dataclass(frozen=True)
class Calibration:
    """The images that int8 was made with: every second one for the ranges, the others to judge it.

    Attributes:
        source: "bundled" for the scenes that the exporter ships, "folder" for images that it was given.
        folder: as it was given; None where the source is "bundled".
        has_masks: whether mean IoU was measured against masks; else against the label maps of fp32.
        images: how many gave the ranges.
        ranked: on how many of these the sensitivity of layers was measured.
        held_out: how many others int8 was judged on.
    """

    source: Literal["bundled", "folder"]
    folder: str | None
    has_masks: bool
    images: int
    ranked: int
    held_out: int


@dataclass(frozen=True)
class LabelLimits:
    """What int8 may cost in label maps.

    Attributes:
        max_miou_drop: points (percent) of mean IoU that may be lost against fp32.
        min_agreement: percent of the pixels that must have fp32's class.
    """

    max_miou_drop: float
    min_agreement: float


@dataclass(frozen=True)
class QuantizationInfo:
    """How an engine became int8.

    Attributes:
        method: tool, version and settings, in words.
        calibration: the images that it was made with.
        budget: that its label maps were held to.
        layers: all that were tried, in the order of the graph.
        instruction_set: of the processor that it was judged on, a flag of
            `groupvit_runtime.byte_products.INSTRUCTION_SETS`; None where that is not known, or was a GPU.
        never_saturates: whether its weights are proven to be so small that processors that add two products
            in 16 bits compute the same.
    """

    method: str
    calibration: Calibration
    budget: LabelLimits
    layers: tuple[QuantizedLayer, ...]
    instruction_set: str | None = None
    never_saturates: bool = False


@dataclass(frozen=True)
class EngineInfo:
    """One engine: what it computes, what executes it, and what it was built with.

    Attributes:
        files: the first is what the target's runtime opens; the rest are what it refers to.
        versions: exact versions of every tool that had a part in it.
        hardware: what it is bound to, in words.
        kept: what stayed in float32; empty for fp32.
        source: the ONNX graph that it was built from, where the target keeps it.
        tensorrt: of the target `trt` only.
        normalizes: the decode whose scale, mean, std and color order the engine applies itself, to uint8
            pixels in RGB; None where its input is normalized already.
        quantization: of int8 only.
    """

    role: Role
    target: str
    precision: str
    files: tuple[FileInfo, ...]
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    versions: dict[str, str]
    hardware: str
    kept: tuple[Float32Nodes, ...] = ()
    source: FileInfo | None = None
    tensorrt: TensorRTInfo | None = None
    normalizes: DecodeName | None = None
    quantization: QuantizationInfo | None = None

    @property
    def max_batch(self) -> int | None:
        """The largest batch it takes; None where there is no limit."""
        if self.tensorrt is None:
            return None
        return min(profile.max[0] for profile in self.tensorrt.profiles)

    @property
    def all_files(self) -> tuple[FileInfo, ...]:
        """Everything of it that lies in the bundle."""
        return (*self.files, *(() if self.source is None else (self.source,)))


@dataclass(frozen=True)
class CheckpointInfo:
    """Where the weights came from; `fingerprint` is the sha256 of the canonical state dict."""

    source: str
    format: str
    fingerprint: str


@dataclass(frozen=True)
class ModelInfo:
    """Dimensions that a runtime needs.

    `image_size` and `grid` are (height, width) in pixels and patches; `groups` has the number of
    groups of every grouping block; `logit_scale` is the learned parameter, of which the model takes the
    exponential; `text_pad_id` fills up short sentences.
    """

    image_size: tuple[int, int]
    patch_size: int
    grid: tuple[int, int]
    groups: tuple[int, ...]
    projection_dim: int
    logit_scale: float
    text_max_length: int
    text_pad_id: int


@dataclass(frozen=True)
class Preprocessings:
    """The preprocessing of either decode (they differ in mean, std and how an image is resized)."""

    hf: Preprocessing
    paper: Preprocessing


@dataclass(frozen=True)
class DecodeInfo:
    """`default` is the decode used when none is asked for; `paper` holds that decode's constants.

    `paper` is None where the engine's images are not square: the sliding windows are.
    """

    default: DecodeName
    paper: PaperDecode | None


@dataclass(frozen=True)
class VocabularyInfo:
    """A cached vocabulary inside the bundle: `size` class names under the name `name`."""

    name: str
    size: int
    file: FileInfo


@dataclass(frozen=True)
class ParityRow:
    """One output or decision of the engine, compared with the PyTorch reference.

    Attributes:
        name: "stage_1_logits", "masks"; `docs/parity.md` has them all.
        verdict: None where the row was not run or only informs.
        value: what was measured; None where it was not run, or is not finite.
        budget: what it may be at most; None where the row only informs.
        detail: the rest, in words.
    """

    name: str
    verdict: Verdict | None
    value: float | None
    budget: float | None
    detail: str

    def __post_init__(self) -> None:
        # JSON has no infinity.
        if self.value is not None and not math.isfinite(self.value):
            object.__setattr__(self, "value", None)


@dataclass(frozen=True)
class ParitySummary:
    """Comparison with the PyTorch reference made at export.

    Attributes:
        verdict: the worst of the rows. FAIL is in a manifest only if the export was told to allow it.
        cases: what was run.
        rows: in the order in which the model computes.
        first: where it first left its budget, in words; None where it did not.
        substitute: what was run in place of the engine, in words; None where the engine itself ran.
    """

    verdict: Verdict
    cases: tuple[str, ...]
    rows: tuple[ParityRow, ...]
    first: str | None
    substitute: str | None = None


@dataclass(frozen=True)
class PrecisionRow:
    """One precision of the model, measured by the export on the same images as the others.

    Attributes:
        precision: "fp32" or what was exported.
        verdict: of the comparison with the reference.
        miou: mean IoU in percent: against masks where the images have some, else against the label maps of
            fp32; None where it was not measured.
        agreement: percent of the pixels with the class that fp32 gives them; None where it was not measured.
        latency_ms: median of the image engine at batch 1, all precisions taking turns; None where it was not
            measured.
        detail: what it was measured on, in words.
    """

    precision: str
    verdict: Verdict
    miou: float | None
    agreement: float | None
    latency_ms: float | None
    detail: str


@dataclass(frozen=True)
class Manifest:
    """The whole manifest.

    `prompts` are the default templates, each with one `{}`; `precisions` is empty for fp32 alone.
    """

    schema_version: int
    name: str
    created: str
    command: str
    toolkit_version: str
    checkpoint: CheckpointInfo
    model: ModelInfo
    engines: tuple[EngineInfo, ...]
    tokenizer: FileInfo | None
    prompts: tuple[str, ...]
    preprocessing: Preprocessings
    decode: DecodeInfo
    passes: tuple[str, ...] = ()
    vocabularies: tuple[VocabularyInfo, ...] = ()
    parity: ParitySummary | None = None
    precisions: tuple[PrecisionRow, ...] = ()

    def engine(self, role: Role) -> EngineInfo:
        """The engine of `role`.

        Raises:
            BundleError: the bundle has none.
        """
        for engine in self.engines:
            if engine.role == role:
                return engine
        raise BundleError(
            f"the bundle has no {role} engine",
            got=[engine.role for engine in self.engines],
            expected=role,
            fix="export the bundle again",
        )

    def to_text(self) -> str:
        """The JSON text that `read_manifest` reads."""
        return json.dumps(to_json(self), indent=2, ensure_ascii=False) + "\n"


def read_manifest(root: Path) -> Manifest:
    """Read and check `manifest.json` of the bundle at `root`; no engine file is opened.

    Raises:
        BundleError: `root` is no bundle, or its manifest is damaged or of another schema.
    """
    path = root / MANIFEST_NAME
    try:
        if path.stat().st_size > MAX_MANIFEST_BYTES:
            raise BundleError(
                "the manifest is too large to be one",
                got=f"{path.stat().st_size} bytes",
                expected=f"at most {MAX_MANIFEST_BYTES}",
                fix="export the bundle again",
            )
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise BundleError(
            "this is not a bundle",
            got=f"no {MANIFEST_NAME} in {root}",
            expected="a folder (or .zip) written by `groupvit export`",
            fix="groupvit export --target openvino -o my-bundle",
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise BundleError(
            "the manifest cannot be read", got=f"{path}: {error}", fix="export the bundle again"
        ) from error
    return parse_manifest(text, where=str(path))


def parse_manifest(text: str, where: str) -> Manifest:
    """Decode the text of a manifest; `where` names it in messages.

    Raises:
        BundleError: it is no JSON, of another schema version, or breaks the schema.
    """
    try:
        value = strict_json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BundleError(
            "the manifest is not JSON", got=f"{where}: {error}", fix="copy or export the bundle again"
        ) from error
    version = value.get("schema_version") if isinstance(value, dict) else None
    if version != SCHEMA_VERSION:
        raise BundleError(
            "the bundle has a schema version that this runtime does not know",
            got=f"schema_version {version!r} in {where}",
            expected=SCHEMA_VERSION,
            fix="export the bundle again with this toolkit, or install the version that wrote it",
        )
    manifest = from_json(Manifest, value, "manifest")
    roles = [engine.role for engine in manifest.engines]
    if len(set(roles)) != len(roles) or any(not engine.files for engine in manifest.engines):
        raise BundleError(
            "the engines of the manifest contradict each other",
            got=roles,
            expected="one image and one text engine, each with its files",
            fix="export the bundle again",
        )
    return manifest


def check_decode(decode: str) -> DecodeName:
    """Refuse what is not the name of a decode.

    Raises:
        UsageError: it is not.
    """
    if decode not in get_args(DecodeName):
        raise UsageError("unknown decode", got=repr(decode), expected=" or ".join(get_args(DecodeName)))
    return cast(DecodeName, decode)


def sha256_of(path: Path) -> str:
    """Hexadecimal sha256 of a file's contents."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
