"""What NVlabs' tokenizer does to a text before it splits it.

It is that of OpenAI's CLIP (`clip/simple_tokenizer.py`), which Hugging Face's leaves out: without it, names
with curly quotes, entities or full-width letters get other ids than the model was trained and evaluated with.
"""

from __future__ import annotations

import html
import re

import ftfy

from groupvit_runtime.errors import LabelError


def clean_as_nvlabs(text: str) -> str:
    """Mend the text, resolve entities twice, make white space single and letters lower case.

    Raises:
        LabelError: it has a number of thousands of digits for a character.
    """
    try:
        plain = html.unescape(html.unescape(ftfy.fix_text(text)))
    except ValueError as error:
        raise LabelError(
            "a label has an entity that cannot be a character", got=str(error), expected="for instance &#233;"
        ) from error
    return re.sub(r"\s+", " ", plain.strip()).strip().lower()
