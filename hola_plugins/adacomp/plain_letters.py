"""Text in the letters that a reader takes it for: without what is not seen, look-alikes as the Latin ones."""

from __future__ import annotations

import re
import unicodedata

_UNSEEN = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\U000e0000-\U000e007f\U000e0100-\U000e01ef]"
)
"""Characters that a reader does not see: zero width, direction, fillers, variation selectors, tags."""

_ACCENTS = re.compile("[\u0300-\u036f]")

_ALIKE = {
    "CYRILLIC": (
        "\u0430\u0435\u0456\u043e\u0440\u0441\u0443\u0445\u0455\u0458\u04bb\u0501\u051b\u051d\u04cf\u0442\u043c\u043a\u043d\u0432",
        "aeiopcyxsjhdqwltmkhb",
    ),
    "CYRILLIC CAPITAL": (
        "\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0423\u0425\u0406\u0408\u0405",
        "ABEKMHOPCTYXIJS",
    ),
    "GREEK": ("\u03b1\u03b5\u03b9\u03ba\u03bd\u03bf\u03c1\u03c4\u03c5\u03c7\u03f2\u03f3", "aeikvoptuxcj"),
    "GREEK CAPITAL": (
        "\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7",
        "ABEZHIKMNOPTYX",
    ),
    "LATIN": (
        "\u0131\u0251\u0261\u026a\u0274\u0280\u1d00\u1d04\u1d05\u1d07\u1d0f\u1d18\u1d1b\u1d1c\u1d20\u029f\u0299\u1d0d",
        "iaginracdeoptuvlbm",
    ),
}
"""Letters beside the Latin ones for which they are taken; Cyrillic and Greek text stays what it is to a reader of it."""

_LATIN = {
    ord(one): other for letters, latin in _ALIKE.values() for one, other in zip(letters, latin, strict=True)
}


def plain_letters(text: str) -> str:
    """Gives the text with unseen characters and accents gone, and compatibility forms and look-alikes unified."""
    if text.isascii():
        return text
    unified = unicodedata.normalize("NFKD", _UNSEEN.sub("", text))
    return _ACCENTS.sub("", unified).translate(_LATIN)
