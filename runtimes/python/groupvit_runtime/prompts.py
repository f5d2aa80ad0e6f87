"""Prompt templates: the sentences that a class name is put into before it is encoded."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType
from typing import Final

from groupvit_runtime.errors import LabelError

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


def check_labels(labels: Sequence[str]) -> tuple[str, ...]:
    """Strip the labels and check that they can name classes.

    Raises:
        LabelError: none, an empty one, or one given twice.
    """
    if isinstance(labels, str):
        raise LabelError(
            "labels must be a list of names, not one string",
            got=repr(labels),
            expected='for instance ["a cat", "a dog"]',
        )
    if not labels:
        raise LabelError(
            "the list of labels is empty", expected="at least one name", fix='--labels "a cat,a dog"'
        )
    names = tuple(" ".join(str(label).split()) for label in labels)
    if "" in names:
        raise LabelError(
            "a label is empty",
            got=f"label {names.index('') + 1} of {len(names)}",
            expected="a word or phrase",
            fix="remove the surplus comma",
        )
    seen: dict[str, str] = {}
    for name in names:
        if name.casefold() in seen:
            raise LabelError(
                "a label is given twice; a pixel could not say which of the two it is",
                got=f"{seen[name.casefold()]!r} and {name!r}",
                expected="names that differ in more than case",
                fix="remove one of them",
            )
        seen[name.casefold()] = name
    return names
