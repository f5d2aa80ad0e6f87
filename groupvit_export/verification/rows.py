"""The rows of a verification: what each measures, what it may be at most, and about what it decides.

The one table is `ROWS`. Verdicts are computed from these members only; `words.py` says them to people.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from functools import cache
from types import MappingProxyType
from typing import Final


class RowKind(Enum):
    """A kind of row; the value is its name in reports and manifests, which never changes."""

    CONSTANTS = "constants"
    PIXEL_VALUES = "pixel_values"
    TOKEN_IDS = "token_ids"
    PASS = "pass_{name}"
    NETWORK_LAYER_NORMS = "network_layer_norms"
    NETWORK_CASTS = "network_casts"
    NETWORK_DECISIONS = "network_decisions"
    NETWORK_INT8_PRODUCTS = "network_int8_products"
    RUNS = "runs"
    GROUPING_DECISIONS = "grouping_{stage}_alone_decisions"
    GROUPING_LOGITS = "grouping_{stage}_alone_logits"
    GROUPING_MEANS = "grouping_{stage}_alone_means"
    STAGE_LOGITS = "stage_{stage}_logits"
    STAGE_SELF_CONSISTENCY = "stage_{stage}_self_consistency"
    STAGE_SAFE_FLIPS = "stage_{stage}_safe_flips"
    STAGE_FLIPS_AT_RISK = "stage_{stage}_flips_at_risk"
    STAGE_TOKENS_AT_RISK = "stage_{stage}_tokens_at_risk"
    STAGE_REGRET = "stage_{stage}_regret"
    STAGE_GROUP_COUNT_SHIFT = "stage_{stage}_group_count_shift"
    SOFT_MAP = "soft_map_{stage}"
    GROUP_EMBEDS = "group_embeds"
    IMAGE_EMBEDS = "image_embeds"
    MASKS = "masks"
    TEXT_EMBEDS = "text_embeds"
    DECODE_SAFE_PIXELS = "labels_{name}_safe_pixels"
    DECODE_PIXELS_AT_RISK = "labels_{name}_pixels_at_risk"
    DECODE_FREE_REFERENCE = "labels_{name}_against_free_reference"
    GRAPH_LABELS = "labels_in_graph_safe_pixels"
    REPEATED_RUNS = "repeated_runs"
    BATCH_AGAINST_SINGLE = "batch_against_single"
    PIXELS_UNLIKE_FP32 = "labels_pixels_unlike_fp32"
    MIOU_DROP = "labels_miou_drop"


class Scope(Enum):
    """How many rows of a kind there are; the value matches what tells them apart."""

    ONCE = ""
    PER_PASS = r"[a-z0-9_]+"
    PER_STAGE = r"[1-9][0-9]*"
    PER_DECODE = r"hf|paper"


class Unit(Enum):
    """Of a row's figure."""

    FAULTS = "faults"
    TOKENS = "tokens"
    PIXELS = "pixels"
    SHARE = "share, 0 to 1"
    ERROR = "absolute error"
    LOGITS = "difference of logits"


class BudgetSource(Enum):
    """Where the figure that a row may have at most comes from."""

    NONE = "none: the row informs"
    ZERO = "zero"
    NOISE = "factor times the noise of eager PyTorch, at least the floor"
    RISK_LIMIT = "reviewed share of tokens or pixels; AMBIGUOUS above"
    LABEL_CRITERION = "reviewed share of pixels, or a factor of eager PyTorch's"
    LABEL_BUDGET = "the budget of label maps that the export was given"


@dataclass(frozen=True)
class RowSpec:
    """What is fixed about a kind of row.

    Attributes:
        scope: how many there are.
        unit: of the figure.
        budget: what it is held against.
        fp32, half, int8: whether it decides about engines in float32, in half precision, in int8.
    """

    scope: Scope
    unit: Unit
    budget: BudgetSource
    fp32: bool
    half: bool
    int8: bool

    def decides(self, precision: str) -> bool:
        """Whether a verdict on engines of this precision depends on such rows."""
        return {"fp32": self.fp32, "int8": self.int8}.get(precision, self.half)


def _always(unit: Unit, budget: BudgetSource, scope: Scope = Scope.ONCE) -> RowSpec:
    return RowSpec(scope, unit, budget, fp32=True, half=True, int8=True)


def _floats(unit: Unit, budget: BudgetSource, scope: Scope = Scope.ONCE) -> RowSpec:
    return RowSpec(scope, unit, budget, fp32=True, half=True, int8=False)


def _informs(unit: Unit, scope: Scope) -> RowSpec:
    return RowSpec(scope, unit, BudgetSource.NONE, fp32=False, half=False, int8=False)


def _risk(scope: Scope) -> RowSpec:
    return RowSpec(scope, Unit.SHARE, BudgetSource.RISK_LIMIT, fp32=True, half=False, int8=False)


ROWS: Final = MappingProxyType(
    {
        RowKind.CONSTANTS: _always(Unit.FAULTS, BudgetSource.ZERO),
        RowKind.PIXEL_VALUES: _always(Unit.ERROR, BudgetSource.ZERO),
        RowKind.TOKEN_IDS: _always(Unit.FAULTS, BudgetSource.ZERO),
        RowKind.PASS: _always(Unit.ERROR, BudgetSource.NOISE, Scope.PER_PASS),
        RowKind.NETWORK_LAYER_NORMS: _always(Unit.FAULTS, BudgetSource.ZERO),
        RowKind.NETWORK_CASTS: _always(Unit.FAULTS, BudgetSource.ZERO),
        RowKind.NETWORK_DECISIONS: _always(Unit.FAULTS, BudgetSource.ZERO),
        RowKind.NETWORK_INT8_PRODUCTS: _always(Unit.FAULTS, BudgetSource.ZERO),
        RowKind.RUNS: _always(Unit.FAULTS, BudgetSource.ZERO),
        RowKind.GROUPING_DECISIONS: _always(Unit.TOKENS, BudgetSource.ZERO, Scope.PER_STAGE),
        RowKind.GROUPING_LOGITS: _always(Unit.LOGITS, BudgetSource.NOISE, Scope.PER_STAGE),
        RowKind.GROUPING_MEANS: _always(Unit.ERROR, BudgetSource.NOISE, Scope.PER_STAGE),
        RowKind.STAGE_LOGITS: _floats(Unit.LOGITS, BudgetSource.NOISE, Scope.PER_STAGE),
        RowKind.STAGE_SELF_CONSISTENCY: _always(Unit.TOKENS, BudgetSource.ZERO, Scope.PER_STAGE),
        RowKind.STAGE_SAFE_FLIPS: _floats(Unit.TOKENS, BudgetSource.ZERO, Scope.PER_STAGE),
        RowKind.STAGE_FLIPS_AT_RISK: _informs(Unit.TOKENS, Scope.PER_STAGE),
        RowKind.STAGE_TOKENS_AT_RISK: _risk(Scope.PER_STAGE),
        RowKind.STAGE_REGRET: _floats(Unit.LOGITS, BudgetSource.NOISE, Scope.PER_STAGE),
        RowKind.STAGE_GROUP_COUNT_SHIFT: _informs(Unit.TOKENS, Scope.PER_STAGE),
        RowKind.SOFT_MAP: _floats(Unit.ERROR, BudgetSource.NOISE, Scope.PER_STAGE),
        RowKind.GROUP_EMBEDS: _floats(Unit.ERROR, BudgetSource.NOISE),
        RowKind.IMAGE_EMBEDS: _floats(Unit.ERROR, BudgetSource.NOISE),
        RowKind.MASKS: _floats(Unit.ERROR, BudgetSource.NOISE),
        # The text engine of an int8 bundle is float32.
        RowKind.TEXT_EMBEDS: _always(Unit.ERROR, BudgetSource.NOISE),
        RowKind.DECODE_SAFE_PIXELS: _floats(Unit.PIXELS, BudgetSource.ZERO, Scope.PER_DECODE),
        RowKind.DECODE_PIXELS_AT_RISK: _risk(Scope.PER_DECODE),
        RowKind.DECODE_FREE_REFERENCE: RowSpec(
            Scope.PER_DECODE, Unit.SHARE, BudgetSource.LABEL_CRITERION, fp32=False, half=True, int8=False
        ),
        RowKind.GRAPH_LABELS: _floats(Unit.PIXELS, BudgetSource.ZERO),
        RowKind.REPEATED_RUNS: _always(Unit.ERROR, BudgetSource.NOISE),
        RowKind.BATCH_AGAINST_SINGLE: _floats(Unit.TOKENS, BudgetSource.ZERO),
        RowKind.PIXELS_UNLIKE_FP32: RowSpec(
            Scope.ONCE, Unit.SHARE, BudgetSource.LABEL_BUDGET, fp32=False, half=False, int8=True
        ),
        RowKind.MIOU_DROP: RowSpec(
            Scope.ONCE, Unit.SHARE, BudgetSource.LABEL_BUDGET, fp32=False, half=False, int8=True
        ),
    }
)
"""In the order in which the model computes, so that the first fault comes first."""

_ORDER: Final = {kind: index for index, kind in enumerate(ROWS)}


@dataclass(frozen=True)
class RowKey:
    """One row.

    Attributes:
        kind: what it measures.
        stage: the grouping block, from 1; None where the kind has no stages.
        name: of the graph pass, or of the decode; None where the kind has none.
    """

    kind: RowKind
    stage: int | None = None
    name: str | None = None

    def __post_init__(self) -> None:
        scope = ROWS[self.kind].scope
        assert (self.stage is not None) == (scope is Scope.PER_STAGE), self
        assert (self.name is not None) == (scope in (Scope.PER_PASS, Scope.PER_DECODE)), self

    @property
    def spec(self) -> RowSpec:
        """What is fixed about it."""
        return ROWS[self.kind]

    @property
    def slug(self) -> str:
        """Its name in reports and manifests: "stage_1_safe_flips"."""
        return self.kind.value.format(stage=self.stage, name=self.name)

    @staticmethod
    def parse(slug: str) -> RowKey | None:
        """The row of this name; None where there is none, as in a manifest of another version."""
        for kind, pattern in _patterns().items():
            found = pattern.fullmatch(slug)
            if found is not None:
                parts = found.groupdict()
                stage = parts.get("stage")
                return RowKey(kind, None if stage is None else int(stage), parts.get("name"))
        return None


@cache
def _patterns() -> dict[RowKind, re.Pattern[str]]:
    return {
        kind: re.compile(
            kind.value.replace("{stage}", f"(?P<stage>{spec.scope.value})").replace(
                "{name}", f"(?P<name>{spec.scope.value})"
            )
        )
        for kind, spec in ROWS.items()
    }


def in_order(keys: Iterable[RowKey]) -> list[RowKey]:
    """Sorted as the model computes: all rows of a stage together, and all of a decode; passes as given."""
    return sorted(keys, key=_rank)


def _rank(key: RowKey) -> tuple[int, int, str, int]:
    position, scope = _ORDER[key.kind], key.spec.scope
    if scope not in (Scope.PER_STAGE, Scope.PER_DECODE):
        return position, 0, "", 0
    first = next(_ORDER[kind] for kind, spec in ROWS.items() if spec.scope is scope)
    return first, key.stage or 0, (key.name or "") if scope is Scope.PER_DECODE else "", position


def output_row(output: str) -> RowKey:
    """The row of the error of an engine's output.

    Raises:
        KeyError: it is no output, or one that is no error: a decision.
    """
    key = RowKey.parse(output)
    if key is None or key.kind not in _OUTPUTS:
        raise KeyError(output)
    return key


_OUTPUTS: Final = frozenset(
    {RowKind.SOFT_MAP, RowKind.GROUP_EMBEDS, RowKind.IMAGE_EMBEDS, RowKind.MASKS, RowKind.TEXT_EMBEDS}
)
