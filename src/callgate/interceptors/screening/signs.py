"""Signs that a text says more to a machine than to a reader: invisible letters, terminal codes."""

from __future__ import annotations

import re

MANY = 8  # invisible characters in a row: enough for a byte
SEVERAL = 3

# A flag of a region (England) is spelt with tag characters after a black flag, up to a closing one.
FLAG = re.compile("\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{1,6}\U000e007f")
TAGS = re.compile("[\U000e0000-\U000e007f]+")
SELECTORS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]{2,}")
ZERO_WIDTH = (
    "\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200d\u2060-\u2064\u206a-\u206f"
    "\u3164\ufeff\uffa0"
)
INVISIBLE_RUN = re.compile(f"[{ZERO_WIDTH}]{{{SEVERAL},}}")
IN_WORDS = re.compile(f"(?<=[A-Za-z0-9])[{ZERO_WIDTH}]+(?=[A-Za-z0-9])")
BIDI = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
OVERRIDES = re.compile("[\u202d\u202e]")
RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff]")
# ECMA-48 control sequences and strings; colours (`m`) are common in what tools print.
ANSI = re.compile(
    "(?:\x1b\\[|\x9b)(?P<parameters>[0-?]{0,64})[ -/]{0,8}(?P<final>[@-~])"
    "|(?:\x1b[\\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]{0,4096}(?:\x07|\x1b\\\\|\x9c)?"
    "|\x1b[ -/]{0,4}[0-Z\\\\^-~]"
)
CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
OVERWRITING = re.compile("\x08{3}|[^\r\n]\r[^\r\n]")
_CONCEALING = re.compile(r"(?:^|;)0*8(?:;|$)")
_NOT_PLAIN = re.compile("[^\t\n -~]")


def signs(text: str) -> dict[str, float]:
    """What the text hides in its characters, and how much each weighs, from 0 to 1."""
    if _NOT_PLAIN.search(text) is None:
        return {}
    found: dict[str, float] = {}
    if not text.isascii():
        found.update(_invisible(text))
    if "\x1b" in text or "\x9b" in text:
        found.update(_terminal(text))
    if OVERWRITING.search(text) is not None:
        found["overwriting"] = 0.5 if "\x08" in text else 0.2
    return found


def _invisible(text: str) -> dict[str, float]:
    found: dict[str, float] = {}
    if TAGS.search(text) is not None and TAGS.search(FLAG.sub("", text)) is not None:
        found["tag characters"] = 0.9
    if any(len(run) >= SEVERAL for run in SELECTORS.findall(text)):
        found["variation selectors"] = 0.8
    in_words = IN_WORDS.findall(text)
    if any(len(run) >= MANY for run in INVISIBLE_RUN.findall(text)):
        found["invisible characters"] = 0.8
    elif sum(1 for run in in_words if run.strip("\u00ad")) >= SEVERAL:
        found["invisible characters"] = 0.5
    elif in_words:
        found["invisible characters"] = 0.1
    if BIDI.search(text) is not None:
        is_needed = RIGHT_TO_LEFT.search(text.replace("\ufeff", "")) is not None
        found["bidi controls"] = (
            0.6 if OVERRIDES.search(text) is not None else 0.0 if is_needed else 0.2
        )
    return found


def _terminal(text: str) -> dict[str, float]:
    for sequence in ANSI.finditer(text):
        is_colour = sequence["final"] == "m"
        if not is_colour or _CONCEALING.search(sequence["parameters"]):
            return {"terminal codes": 0.5}
    return {"terminal codes": 0.0}
