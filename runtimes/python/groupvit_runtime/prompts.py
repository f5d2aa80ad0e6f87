"""Prompt templates: the sentences that a class name is put into before it is encoded."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, KeysView, Mapping, Sequence, Set
from types import MappingProxyType
from typing import Final

from groupvit_runtime.errors import LabelError
from groupvit_runtime.label_key import label_key

TEMPLATES: Final = MappingProxyType(
    {
        # The set of the paper's zero-shot evaluation.
        "simple": ("a photo of a {}.",),
        # OpenAI's seven best for CLIP on ImageNet; ensembled by averaging.
        "subset": (
            "itap of a {}.",
            "a bad photo of a {}.",
            "a origami {}.",
            "a photo of the large {}.",
            "a {} in a video game.",
            "art of the {}.",
            "a photo of the small {}.",
        ),
        "identity": ("{}",),
    }
)


def resolve_templates(templates: str | Sequence[str]) -> tuple[str, ...]:
    """Turn the name of a set, one template or several into templates.

    Raises:
        LabelError: a template does not have exactly one `{}`, or there is none.
    """
    if isinstance(templates, str):
        templates = TEMPLATES.get(templates, (templates,))
    for template in templates:
        if not _has_one_place(template):
            raise LabelError(
                "a prompt template must have the place of the class name exactly once",
                got=repr(template),
                expected=f"a sentence with one {{}} (and }}}} for a brace), or a set: {', '.join(TEMPLATES)}",
                fix='for instance --templates "a photo of a {}."',
            )
    if not templates:
        raise LabelError("no prompt template was given", expected="at least one, or a set's name")
    return tuple(templates)


def _has_one_place(template: str) -> bool:
    before, place, after = template.partition("{}")
    # `str.format` writes a closing brace for two.
    literal = [part.replace("}}", "") for part in (before, after)]
    return bool(place) and not any("{" in part or "}" in part for part in literal)


def check_labels(labels: Iterable[str]) -> tuple[str, ...]:
    """Strip the labels and check that they can name classes.

    White space of every kind becomes single spaces, and a byte order mark in front is taken off.

    Raises:
        LabelError: not an ordered collection of text, none, an empty one, one with control characters, or two
            that differ only in case, Unicode form or characters that do not show.
    """
    given = _in_order(labels)
    if not given:
        raise LabelError(
            "the list of labels is empty", expected="at least one name", fix='--labels "a cat,a dog"'
        )
    names = tuple(_cleaned(label, f"label {n} of {len(given)}") for n, label in enumerate(given, 1))
    seen: dict[str, str] = {}
    for name in names:
        key = label_key(name)
        if key in seen:
            raise LabelError(
                "a label is given twice; a pixel could not say which of the two it is",
                got=" and ".join(map(_shown, (seen[key], name))),
                expected="names that differ in more than case, accents' encoding or what does not show",
                fix="remove one of them",
            )
        seen[key] = name
    return names


def list_of_names(text: str) -> str:
    """The list that someone meant who gave one string of names, as it is written in Python."""
    names = [name for part in text.split(",") if (name := " ".join(part.split()))]
    return shorten(json.dumps(names, ensure_ascii=False), 200)


def shorten(text: str, length: int = 60) -> str:
    """At most `length` characters, for a message."""
    return text if len(text) <= length else f"{text[: length - 3]}..."


def _in_order(labels: Iterable[str]) -> tuple[object, ...]:
    if isinstance(labels, str):
        raise LabelError(
            "labels must be a list of names, not one string",
            got=repr(shorten(labels)),
            expected='for instance ["a cat", "a dog"]',
            fix=list_of_names(labels),
        )
    # The number of a class is its place, so there has to be one.
    if isinstance(labels, Mapping):
        raise _not_a_list(labels, "list(names), or list(names.values()), whichever are the names")
    if isinstance(labels, Set) and not isinstance(labels, KeysView):
        raise _not_a_list(labels, "sorted(names): a set has another order in every process")
    try:
        items = iter(labels)
    except TypeError as error:
        raise _not_a_list(labels, '["a cat", "a dog"]') from error
    return tuple(items)


def _not_a_list(labels: object, fix: str) -> LabelError:
    return LabelError(
        "labels must be a list of names",
        got=f"a {type(labels).__name__}: {shorten(repr(labels))}",
        expected="names in an order, which numbers the classes",
        fix=fix,
    )


def _cleaned(label: object, place: str) -> str:
    if not isinstance(label, str):
        raise LabelError(
            "a label is not text",
            got=f"{place}: {shorten(repr(label))}, a {type(label).__name__}",
            expected="a str",
            fix="a flat list of names; for an array, labels.tolist()",
        )
    name = " ".join(str(label).removeprefix("\ufeff").split())
    if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in name):
        raise LabelError(
            "a label has a control character, which no one sees and the tokenizer does",
            got=f"{place}: {shorten(ascii(name))}",
            expected="text",
            fix="write the name anew; zeros in it mean that its file is not UTF-8",
        )
    if not label_key(name):
        raise LabelError(
            "a label is empty", got=place, expected="a word or phrase", fix="remove the surplus comma"
        )
    return name


def _shown(name: str) -> str:
    # Names that look alike are told apart by their code points only.
    return shorten(repr(name) if name.isascii() else f"{name!r} = {name!a}", 120)
