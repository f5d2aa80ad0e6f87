"""What the options of `groupvit bench` mean, one function an option."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from groupvit_export.cli.options import read_labels, read_size
from groupvit_export.errors import UsageError

if TYPE_CHECKING:
    from groupvit_export.benchmark.settings import SamplingBudget
    from groupvit_export.cli.bench import Arguments
    from groupvit_runtime.segmenter import Labels

_OWN_SIZE: Final = "own"


def read_budget(arguments: Arguments) -> SamplingBudget:
    """How long is measured."""
    from groupvit_export.benchmark.compare import MIN_COMPARED
    from groupvit_export.benchmark.paced import CALLS_A_ROUND
    from groupvit_export.benchmark.settings import (
        DEFAULT_COLD,
        DEFAULT_ROUNDS,
        DEFAULT_WARM_UP,
        MIN_ROUNDS,
        SamplingBudget,
    )

    least = MIN_ROUNDS
    if arguments.compare:
        least = MIN_COMPARED * (1 if arguments.rate is None else CALLS_A_ROUND)
    rounds = arguments.rounds
    if arguments.compare and rounds is not None and rounds < least:
        raise UsageError(
            "too few rounds to compare",
            got=rounds,
            expected=f"{least} or more",
            fix=f"--rounds {DEFAULT_ROUNDS}",
        )
    if rounds is None:
        rounds = DEFAULT_ROUNDS if arguments.seconds is None else least
    return SamplingBudget(
        rounds=rounds,
        seconds=arguments.seconds,
        warm_up=DEFAULT_WARM_UP if arguments.warm_up is None else arguments.warm_up,
        cold=DEFAULT_COLD if arguments.cold is None else arguments.cold,
    )


def read_bench_size(text: str | None) -> tuple[int, int] | None:
    """(height, width) that the image is resized to; None for its own."""
    from groupvit_export.benchmark.image import DEFAULT_SIZE

    if text is None:
        return DEFAULT_SIZE
    if text == _OWN_SIZE:
        return None
    size = read_size(text)
    if size is not None and min(size) < 1:
        raise UsageError("an image has at least one pixel", got=text, expected="HEIGHTxWIDTH in pixels")
    return size


def read_words(arguments: Arguments) -> Labels | str | None:
    """What is looked for; None for the demo's labels."""
    from groupvit_runtime.vocabulary import Vocabulary

    if arguments.vocab is None:
        return read_labels(arguments)
    name = arguments.vocab
    path = Path(name)
    return Vocabulary.load(path) if path.suffix == ".safetensors" or path.is_file() else name


def read_precisions(arguments: Arguments) -> tuple[str, ...]:
    """Those of a bundle's engines that are measured; none for the one that is chosen."""
    parts = (part.strip() for part in (arguments.precision or "").split(","))
    return tuple(dict.fromkeys(part for part in parts if part))


def read_numbers(option: str, text: str | None) -> tuple[int, ...]:
    """`1,2,4` as numbers; nothing for nothing."""
    if text is None:
        return ()
    parts = [part.strip() for part in text.split(",")]
    if not all(re.fullmatch(r"\d{1,6}", part) for part in parts):
        raise UsageError(
            f"{option} cannot be understood",
            got=text,
            expected="numbers separated by commas",
            fix=f"{option} 1,2",
        )
    return tuple(map(int, parts))
