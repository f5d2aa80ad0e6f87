"""Golden scores, which both runtimes have to reach to the bit: planes, the best of them, abstaining labels.

``tests/golden/scores.json`` holds cases as ``image.json`` does, with the seeds and digests of `golden_image`.
The Python runtime checks it in ``tests/groupvit_runtime/test_golden.py``. To write it anew after a change
that is meant:

    python tests/support/golden_scores.py

What each function takes and gives is written at `result_of`. The random inputs are those of a decoding case:
masks are array 1, group embeddings 2, image embeddings 3, text embeddings 4 (no unit vectors: only their bits
matter here), arguments of the exponential are made of array 5.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from golden_image import Case, digest, random_floats

from groupvit_runtime.contract import PaperDecode, SlidingWindow
from groupvit_runtime.decode import hf_scores
from groupvit_runtime.exponential import exponential
from groupvit_runtime.group_maps import StageMaps, WholeGroups, WindowedGroups
from groupvit_runtime.hf_planes import HfPlanes
from groupvit_runtime.paper import paper_average
from groupvit_runtime.paper_planes import PaperPlanes
from groupvit_runtime.score_planes import ScorePlanes, abstain
from groupvit_runtime.upsampled_argmax import upsampled_argmax
from groupvit_runtime.windows import plan_windows

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "scores.json"


def result_of(case: Case) -> np.ndarray:
    """What the Python runtime makes of a case, by its ``function``.

    - ``exponential``: float32 [count] of arguments from ``-lowest`` to 0.
    - ``planes``: float32 [S, H, W]; ``best``: float32 [H, W]; ``plane``: plane ``index``, float32 [H, W].
    - ``coarse``: float32 [S, h, w].
    - ``labels``: uint16 [H, W] with ``threshold`` (or null), of which the last ``negatives`` classes are
      reported as unlabeled, whose label is the number of the first of them.
    - ``groups``: uint16 [H, W] of ``stage``; soft maps of stage i are array 10 + i,
      [windows, group_counts[i], tokens], and the masks are array 1.
    """
    match case["function"]:
        case "exponential":
            x = (random_floats(case["seed"], 5, (case["count"],), low=-1) - np.float32(1)) * np.float32(
                case["lowest"] / 2
            )
            exponential(x, (np.empty_like(x), np.empty_like(x)))
            return x
        case "groups":
            return _groups(case)
    planes = _planes(case)
    height, width = planes.size
    match case["function"]:
        case "planes":
            out = np.empty((planes.count, height, width), np.float32)
            planes.fill(0, out)
            return out
        case "best":
            out = np.empty((height, width), np.float32)
            planes.fill_best(0, out)
            return out
        case "plane":
            out = np.empty((height, width), np.float32)
            planes.fill_plane(case["index"], 0, out)
            return out
        case "coarse":
            return planes.coarse()
        case "labels":
            if isinstance(planes, HfPlanes):
                labels = upsampled_argmax(planes.scores, planes.size, through=planes.through)
            else:
                assert isinstance(planes, PaperPlanes)
                labels = planes.average.labels(planes.size)
            abstain(labels, planes, unlabeled=planes.count - case["negatives"], threshold=case["threshold"])
            return labels
    raise ValueError(f"no function of this name: {case['function']}")


def _planes(case: Case) -> ScorePlanes:
    size = tuple(case["size"])
    seed, groups, width = case["seed"], case["groups"], case["width"]
    text = random_floats(seed, 4, (case["classes"], width), low=-1)
    if case["decode"] == "hf":
        masks = random_floats(seed, 1, (groups, *case["grid"]), low=0)
        embeds = random_floats(seed, 2, (groups, width), low=-1)
        return HfPlanes(hf_scores(masks, embeds, text), case["logit_scale"], tuple(case["pixels"]), size)
    window = SlidingWindow(**case["window"])
    plan = plan_windows(size, window)
    count = len(plan.boxes)
    settings = PaperDecode(
        window=window,
        background_threshold=case["background_threshold"],
        top_classes=case["top_classes"],
        max_logit_scale=case["max_logit_scale"],
    )
    average = paper_average(
        plan,
        random_floats(seed, 1, (count, groups, *case["grid"]), low=0),
        random_floats(seed, 2, (count, groups, width), low=-1),
        random_floats(seed, 3, (count, width), low=-1),
        text,
        case["logit_scale"],
        settings,
    )
    return PaperPlanes(average, size)


def _groups(case: Case) -> np.ndarray:
    size, grid, counts = tuple(case["size"]), tuple(case["grid"]), case["group_counts"]
    plan = plan_windows(size, SlidingWindow(**case["window"])) if "window" in case else None
    windows = len(plan.boxes) if plan else 1
    soft, below = [], grid[0] * grid[1]
    for index, count in enumerate(counts, 1):
        soft.append(random_floats(case["seed"], 10 + index, (windows, count, below), low=0))
        below = count
    masks = random_floats(case["seed"], 1, (windows, counts[-1], *grid), low=0)
    maps = StageMaps(masks, tuple(soft), len(counts))
    if plan:
        return WindowedGroups(maps, plan, size).at(case["stage"])
    return WholeGroups(maps, tuple(case["pixels"]), size).at(case["stage"])


def load_cases() -> list[Case]:
    cases: list[Case] = json.loads(GOLDEN.read_text(encoding="utf-8"))["cases"]
    return cases


def _cases() -> list[Case]:
    hf = {"decode": "hf", "groups": 8, "grid": [14, 14], "width": 32, "classes": 21, "pixels": [224, 224]}
    paper = {
        "decode": "paper", "groups": 8, "grid": [4, 4], "width": 32, "classes": 21, "top_classes": 5,
        "window": {"size": 64, "stride": 24, "long_side_max": 150}, "max_logit_scale": 100.0,
        "background_threshold": None, "logit_scale": 1.0,
    }  # fmt: skip
    cases: list[Case] = [
        {"function": "exponential", "count": 4096, "lowest": lowest} for lowest in (1, 20, 120)
    ]
    scenes: list[Case] = [
        {**hf, "size": [96, 128], "logit_scale": 0.5},
        {**hf, "size": [37, 100], "logit_scale": 2.0, "classes": 150},
        {**hf, "size": [1, 300], "logit_scale": 4.6, "grid": [7, 28], "pixels": [112, 448]},
        {**hf, "size": [5, 1], "logit_scale": 1.0, "classes": 1},
        {**paper, "size": [90, 200]},
        {**paper, "size": [60, 7], "background_threshold": 0.35},
        {**paper, "size": [120, 80], "background_threshold": 0.9, "classes": 2},
    ]
    for scene in scenes:
        cases += [{"function": function, **scene} for function in ("planes", "best", "coarse")]
        cases.append({"function": "plane", **scene, "index": scene["classes"] - 1})
        for threshold, negatives in ((0.3, 0), (None, 1), (0.6, 1)):
            abstaining = {"threshold": threshold, "negatives": min(negatives, scene["classes"] - 1)}
            cases.append({"function": "labels", **scene, **abstaining})
    cases.append({"function": "best", **hf, "size": [480, 640], "logit_scale": 1.0})
    whole = {"function": "groups", "grid": [14, 14], "pixels": [224, 224], "size": [100, 133]}
    windows = {"function": "groups", "grid": [4, 4], "window": paper["window"], "size": [90, 200]}
    for counts in ([8], [64, 8], [24, 12, 5]):
        for shared in (whole, windows):
            cases += [
                {**shared, "group_counts": counts, "stage": stage} for stage in range(1, len(counts) + 1)
            ]
    return [{"seed": 1000 + seed, **case} for seed, case in enumerate(cases)]


def main() -> None:
    lines = [json.dumps({**case, "sha256": digest(result_of(case))}) for case in _cases()]
    GOLDEN.write_text('{"cases": [\n' + ",\n".join(lines) + "\n]}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
