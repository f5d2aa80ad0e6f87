"""Manifests of which one value was changed, by Hypothesis."""

from __future__ import annotations

import copy
import json
from typing import Any, Final

from damaged_bundles import full_manifest
from hypothesis import strategies as st

FULL: Final = full_manifest().to_text()
VALUE: Final[dict[str, Any]] = json.loads(FULL)

# Whatever a field may be mistaken for.
_VALUES: Final[list[Any]] = [
    None, True, False, 0, 1, -1, 2**63 - 1, -(2**63), 0.0, 1.0, 0.5, 1e308, -0.0, 5e-324,
    800, 4096, 4097, 100_000, 2**31, 2**62, 1e-300,
    "", "hf", "paper", "PASS", "image", "text", "rtx", "none", "RGB", "uint8", "..", "/", "a/../b", "a:b",
    "0" * 64, "{}", "{x}", "{", "}}{}", "x" * 2000,
    [], {}, [1], [1, 2], [1, 2, 3], [[]], {"a": "b"}, {"name": "x", "nodes": []},
]  # fmt: skip
_REPLACEMENTS: Final = st.one_of(
    st.sampled_from(_VALUES),
    st.text(max_size=4),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
)


def places(value: Any) -> list[tuple[Any, ...]]:
    """The path of every value inside, the whole left out."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [(key, *rest) for key, item in items for rest in [(), *places(item)]]


PLACES: Final = places(VALUE)
_HOW: Final = ["replace", "replace", "remove", "rename", "insert"]


def changed(place: tuple[Any, ...], how: str, replacement: Any) -> Any:
    whole: Any = copy.deepcopy(VALUE)
    parent = whole
    for key in place[:-1]:
        parent = parent[key]
    key = place[-1]
    if how == "replace":
        parent[key] = replacement
    elif how == "remove":
        del parent[key]
    elif isinstance(parent, dict):
        parent[f"{key}{replacement}" if how == "rename" else str(replacement)] = parent.pop(key)
    else:
        parent.insert(key, parent[key] if how == "rename" else replacement)
    return whole


def changed_manifests() -> st.SearchStrategy[Any]:
    """The full manifest with a value replaced, taken out, renamed or put in."""
    return st.builds(changed, st.sampled_from(PLACES), st.sampled_from(_HOW), _REPLACEMENTS)
