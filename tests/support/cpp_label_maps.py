"""Label maps of the C++ runtime, in a process without Python's own copy of the engine's library.

python cpp_label_maps.py LIBRARY BUNDLE IMAGES.npz LABELS.npz NAME...

LABELS.npz gets the label map of every image by the decode hf, in the order of IMAGES.npz.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from cpp_runtime import CppSegmenter, Library


def main() -> None:
    library, bundle, images, written, *names = sys.argv[1:]
    segmenter = CppSegmenter(Library(Path(library)), bundle)
    words = segmenter.encode(names)
    with np.load(images) as given:
        maps = [segmenter.segment(given[name], words, decode="hf").labels for name in given.files]
    np.savez(written, *maps)
    if "torch" in sys.modules:
        sys.exit("PyTorch was imported: this process is to have libtorch from the C++ library only")
    print(segmenter.engine)


if __name__ == "__main__":
    main()
