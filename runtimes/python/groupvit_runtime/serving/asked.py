"""What a request asks for beside its image."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import Annotated, Any, Literal, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from groupvit_runtime.serving.refusal import Refusal
from groupvit_runtime.serving.vocabulary_store import NAME_PATTERN

Name = Annotated[str, Field(max_length=200)]
Score = Annotated[float, Field(ge=0, le=1)]
Template = Annotated[str, Field(max_length=400)]

_TEMPLATES = 16


class Asked(BaseModel):
    """Parameters of `POST /segment`: in the query, or as fields of the form."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    label: list[Name] = Field(default=[], description="a class name; repeated for several")
    labels: str | None = Field(
        default=None, max_length=1 << 16, description="class names, separated by commas"
    )
    vocabulary: str | None = Field(
        default=None, max_length=1024, description="name of a vocabulary, in the place of labels"
    )
    negative: list[Name] = Field(
        default=[], description="a class whose pixels are reported as unlabeled; repeated for several"
    )
    template: list[Template] = Field(
        default=[], max_length=_TEMPLATES, description="prompt with one {}; repeated to average several"
    )
    threshold: Score | None = Field(
        default=None, description="pixels whose best score is below it are unlabeled, the last of the classes"
    )
    decode: Literal["hf", "paper"] | None = Field(default=None, description="the bundle's own where absent")
    background_threshold: Score | None = Field(
        default=None, description="of the paper decode: below it a pixel is background, which then is class 0"
    )


class NewVocabulary(BaseModel):
    """Body of `POST /vocabularies`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=f"^{NAME_PATTERN}$")
    labels: list[Name] = Field(min_length=1)
    templates: list[Template] | None = Field(default=None, min_length=1, max_length=_TEMPLATES)


def asked_of(parameters: Iterable[tuple[str, str]], most_labels: int) -> Asked:
    """Read parameters.

    Raises:
        Refusal: 400: unknown, twice, of another form, too many labels, or none.
    """
    found: dict[str, Any] = {}
    for name, value in parameters:
        field = Asked.model_fields.get(name)
        if field is not None and get_origin(field.annotation) is list:
            found.setdefault(name, []).append(value)
        elif name in found:
            raise Refusal(HTTPStatus.BAD_REQUEST, "a parameter is given twice", got=name)
        else:
            found[name] = value
    try:
        asked = Asked.model_validate(found)
    except ValidationError as error:
        raise invalid(error) from error
    given = [name for name in ("label", "labels", "vocabulary") if getattr(asked, name)]
    if len(given) != 1:
        raise Refusal(
            HTTPStatus.BAD_REQUEST,
            "a segmentation needs class names",
            got=" and ".join(given) or "none",
            expected="label (repeated), or labels, or vocabulary",
            fix="for instance POST /segment?labels=cat,dog",
        )
    check_count(len(words_of(asked)) + len(asked.negative), most_labels)
    return asked


def words_of(asked: Asked) -> list[str]:
    """The class names; none where a vocabulary is asked for."""
    return asked.label or (asked.labels.split(",") if asked.labels else [])


def check_count(count: int, most: int) -> None:
    """Refuse more class names than a request may have."""
    if count > most:
        raise Refusal(
            HTTPStatus.BAD_REQUEST,
            "these are too many class names",
            got=count,
            expected=f"at most {most}",
            fix="fewer of them, or a server with a higher --max-labels",
        )


def invalid(error: ValidationError) -> Refusal:
    """What a library of types says of a request, without the values that it repeats."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(map(str, first["loc"])) or "body"
    return Refusal(
        HTTPStatus.BAD_REQUEST,
        "the request's parameters cannot be read",
        got=f"{where[:100]}: {first['msg']}",
        expected="what /docs and /openapi.json say",
    )
