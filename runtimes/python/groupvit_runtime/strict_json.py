"""JSON read so that no two readers understand it differently; the C++ runtime refuses the same."""

from __future__ import annotations

import json
import math
from typing import Any

_INT64 = range(-(2**63), 2**63)
_MAX_DEPTH = 64


def loads(text: str) -> Any:
    """Like `json.loads`, but refuses what readers differ about.

    That is NaN and infinities, a name that is twice in an object, integers beyond 64 bits, numbers beyond
    float64, halves of surrogate pairs, and more than 64 levels of lists and objects.

    Raises:
        ValueError: it is no such JSON.
        RecursionError: it is nested too deeply.
    """
    value = json.loads(
        text,
        object_pairs_hook=_object,
        parse_constant=_constant,
        parse_int=_integer,
        parse_float=_number,
    )
    # Escapes can spell what UTF-8 cannot.
    json.dumps(value, ensure_ascii=False).encode("utf-8")
    _check_depth(value)
    return value


def _check_depth(value: Any) -> None:
    level, depth = [value], 0
    while level := [
        item
        for outer in level
        if isinstance(outer, (dict, list))
        for item in (outer.values() if isinstance(outer, dict) else outer)
    ]:
        depth += 1
        if depth > _MAX_DEPTH:
            raise ValueError(f"it has more than {_MAX_DEPTH} levels")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the name {next(name for name in names if names.count(name) > 1)!r} is twice")
    return value


def _constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def _integer(digits: str) -> int:
    # Two digits more than any that fits: very long ones take Python minutes.
    value = int(digits) if len(digits) <= 21 else None
    if value is None or value not in _INT64:
        raise ValueError(f"the integer {digits[:40]} has more than 64 bits")
    return value


def _number(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"the number {digits[:40]} is beyond float64")
    return value
