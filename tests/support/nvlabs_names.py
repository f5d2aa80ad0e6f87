"""Weights as NVlabs' training code names them: the table of `checkpoint.nvlabs`, backwards."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from groupvit_export.checkpoint.nvlabs import _TABLE, _How, _pattern


def from_canonical(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The inverse of `to_canonical`, but for the keys that it drops; every weight must have a name."""
    published: dict[str, Tensor] = {}
    patterns = [(_pattern(rule.canonical_names()[0]), rule) for rule in _TABLE]
    done: set[str] = set()
    for key in state_dict:
        for pattern, rule in patterns:
            if (found := pattern.fullmatch(key)) is None:
                continue
            names = [name.format(**found.groupdict()) for name in rule.canonical_names()]
            value = torch.cat([state_dict[name] for name in names]) if len(names) > 1 else state_dict[key]
            name = rule.nvlabs.format(**found.groupdict())
            published[name] = value.unsqueeze(-1) if rule.how is _How.FLATTEN else value
            done.update(names)
            break
    assert done == set(state_dict), sorted(set(state_dict) - done)
    return published
