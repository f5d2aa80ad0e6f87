"""Frozen dataclasses to and from JSON values; a field that is missing or of another type is an error."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any, Final, TypeVar

from groupvit_runtime.errors import BundleError

T = TypeVar("T")

ADDED_LATER: Final = {"added_later": True}
"""Metadata of a field that a later minor version added: where it is missing, its default is meant."""


def to_json(value: Any) -> Any:
    """Turn a (nested) dataclass into what `json.dumps` takes; tuples become lists."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(item) for item in value]
    return value


def from_json(cls: type[T], value: Any, where: str, *, extensible: bool = False) -> T:
    """Build `cls` from decoded JSON.

    Args:
        cls: a dataclass, `tuple[X, ...]`, fixed-length tuple, `dict[str, X]`, `X | None`,
            `Literal`, str, int, float or bool, each of them with `bounds` by `Annotated`.
        value: what `json.loads` gave.
        where: dotted path of `value`, for messages.
        extensible: whether a newer writer may have added fields: these are ignored, and all that are known
            must be there but for those `ADDED_LATER`, so that no default stands in for one that was renamed.
            Otherwise a field too many is an error, and one that has a default may be left out.

    Raises:
        BundleError: a field is missing, unknown, of another type or out of bounds; the message has its path.
    """
    return typing.cast(T, _Decoder(extensible).decode(cls, value, where))


@dataclasses.dataclass(frozen=True)
class _Decoder:
    extensible: bool

    def decode(self, kind: Any, value: Any, where: str) -> Any:
        if dataclasses.is_dataclass(kind) and isinstance(kind, type):
            return self._dataclass(kind, value, where)
        origin, arguments = typing.get_origin(kind), typing.get_args(kind)
        if origin is typing.Annotated:
            inner, *bounds = arguments
            found = self.decode(inner, value, where)
            for bound in bounds:
                bound.check(found, where)
            return found
        if origin in (typing.Union, types.UnionType):
            if value is None and type(None) in arguments:
                return None
            (inner,) = [argument for argument in arguments if argument is not type(None)]
            return self.decode(inner, value, where)
        if origin is typing.Literal:
            if value not in arguments:
                raise _mismatch(where, " or ".join(map(repr, arguments)), value)
            return value
        if origin is tuple:
            _require(isinstance(value, list), where, "a list", value)
            if arguments[-1] is Ellipsis:
                return tuple(self.decode(arguments[0], item, f"{where}[{i}]") for i, item in enumerate(value))
            _require(len(value) == len(arguments), where, f"a list of {len(arguments)}", value)
            return tuple(
                self.decode(argument, item, f"{where}[{i}]")
                for i, (argument, item) in enumerate(zip(arguments, value, strict=True))
            )
        if origin in (dict, Mapping):
            _require(isinstance(value, dict), where, "an object", value)
            return {key: self.decode(arguments[1], item, f"{where}.{key}") for key, item in value.items()}
        if kind is float:
            _require(type(value) in (int, float), where, "a number", value)
            return float(value)
        _require(type(value) is kind, where, kind.__name__, value)
        return value

    def _dataclass(self, kind: type, value: Any, where: str) -> Any:
        _require(isinstance(value, dict), where, "an object", value)
        fields = {field.name: field for field in dataclasses.fields(kind)}
        unknown = [] if self.extensible else sorted(set(value) - set(fields))
        missing = sorted(
            name for name, field in fields.items() if name not in value and not self._may_be_missing(field)
        )
        if unknown or missing:
            raise BundleError(
                f"the fields of {where} are not those of this schema",
                got=f"unknown {unknown}, missing {missing}",
                expected=sorted(fields),
                fix="export the bundle again with this version of the toolkit",
            )
        hints = typing.get_type_hints(kind, include_extras=True)
        return kind(
            **{
                name: self.decode(hints[name], item, f"{where}.{name}")
                for name, item in value.items()
                if name in fields
            }
        )

    def _may_be_missing(self, field: dataclasses.Field[Any]) -> bool:
        return bool(field.metadata) if self.extensible else _has_default(field)


def _has_default(field: dataclasses.Field[Any]) -> bool:
    return field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING


def _require(condition: bool, where: str, expected: str, value: Any) -> None:
    if not condition:
        raise _mismatch(where, expected, value)


def _mismatch(where: str, expected: str, value: Any) -> BundleError:
    shown = repr(value)
    return BundleError(
        f"{where} has another type than the schema says",
        got=shown if len(shown) <= 80 else shown[:77] + "...",
        expected=expected,
        fix="export the bundle again; a manifest is not edited by hand",
    )
