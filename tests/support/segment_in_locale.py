"""Segments with the C++ library and the Python runtime after the locale of the environment was set.

segment_in_locale.py LIBRARY BUNDLE FOLDER NAME...: compares with FOLDER/hf.npy and paper.npy, and prints the
decimal point and what was equal.
"""

from __future__ import annotations

import locale
import sys
from pathlib import Path

import numpy as np
from cpp_runtime import CppSegmenter, Library

from groupvit_runtime import Segmenter


def main() -> None:
    library, bundle, folder, *names = sys.argv[1:]
    locale.setlocale(locale.LC_ALL, "")
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    print(locale.localeconv()["decimal_point"])
    rgb = np.load(Path(folder, "rgb.npy"))
    segmenter = CppSegmenter(Library(Path(library)), bundle)
    words = segmenter.encode(names)
    for decode in ("hf", "paper"):
        np.testing.assert_array_equal(
            segmenter.segment(rgb, words, decode=decode).labels, np.load(Path(folder, f"{decode}.npy"))
        )
        print(decode)
    labels = Segmenter.load(bundle, decode="hf")(rgb, names).labels
    np.testing.assert_array_equal(labels, np.load(Path(folder, "hf.npy")))
    print("python")


if __name__ == "__main__":
    main()
