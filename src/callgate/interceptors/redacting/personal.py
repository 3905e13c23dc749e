"""Finds personal data in a text: addresses, numbers of cards, accounts, phones and people."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator

from stdnum import iban, luhn

from callgate.interceptors.redacting.forms import Form, Reading, any_of
from callgate.interceptors.redacting.spans import Span

CHUNK = 32_768  # characters: the engine keeps Python's lock meanwhile, about 2 ms
OVERLAP = 512

EMAIL = r"[A-Za-z0-9._%+\-]+@[A-Za-z0-9\-]+(?:\.[A-Za-z0-9\-]+)*\.[A-Za-z]{2,}"
CARD = r"\b[2-6]\d(?:[ \-]?\d){11,17}\b"
IBAN = r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}\b"

# By which digits a card begins, and how many it has (ISO/IEC 7812, the brands' own tables): a
# long number that only happens to have a right check digit is mostly none of these.
_BRANDS: tuple[tuple[range, frozenset[int]], ...] = (
    (range(400_000, 500_000), frozenset({13, 16, 19})),  # Visa
    (range(510_000, 560_000), frozenset({16})),  # Mastercard
    (range(222_100, 272_100), frozenset({16})),
    (range(340_000, 350_000), frozenset({15})),  # American Express
    (range(370_000, 380_000), frozenset({15})),
    (range(300_000, 306_000), frozenset({14, 16})),  # Diners
    (range(360_000, 370_000), frozenset({14, 16})),
    (range(352_800, 359_000), frozenset({16})),  # JCB
    (range(601_100, 601_200), frozenset({16, 19})),  # Discover
    (range(644_000, 660_000), frozenset({16, 19})),
    (range(620_000, 630_000), frozenset({16, 17, 18, 19})),  # UnionPay
    (range(500_000, 510_000), frozenset({16, 19})),  # Maestro
    (range(560_000, 590_000), frozenset({16, 19})),
)

# National numbers with check digits that keep chance out, or with a form of their own:
# module of python-stdnum, how it is written.
_NATIONAL: tuple[tuple[str, str], ...] = (
    ("us.ssn", r"\b\d{3}-\d{2}-\d{4}\b"),
    ("us.itin", r"\b9\d{2}-\d{2}-\d{4}\b"),
    ("it.codicefiscale", r"\b[A-Z]{6}\d{2}[A-Z]\d{2}[A-Z]\d{3}[A-Z]\b"),
    ("fr.nir", r"\b[12] ?\d{2} ?\d{2} ?\d{2} ?\d{3} ?\d{3} ?\d{2}\b"),
    ("es.dni", r"\b\d{8}-?[A-Z]\b"),
    ("es.nie", r"\b[XYZ]-?\d{7}-?[A-Z]\b"),
    ("ch.ssn", r"\b756\.?\d{4}\.?\d{4}\.?\d{2}\b"),
    ("be.nn", r"\b\d{2}\.\d{2}\.\d{2}-\d{3}\.\d{2}\b"),
    ("br.cpf", r"\b\d{3}\.\d{3}\.\d{3}-\d{2}\b"),
    ("cn.ric", r"\b\d{17}[\dX]\b"),
    ("fi.hetu", r"\b\d{6}[-+A]\d{3}[0-9A-Y]\b"),
    ("se.personnummer", r"\b\d{6}(?:\d{2})?[-+]\d{4}\b"),
    ("gb.nhs", r"\b\d{3} \d{3} \d{4}\b"),
)
_NINO = r"\b[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D]\b"

_ENTITIES = {
    "email": ("EMAIL",),
    "card": ("CREDIT_CARD",),
    "phone": ("PHONE",),
    "ip": ("IP_ADDRESS",),
    "national_id": ("SSN",),
}

# INVARIANT: whatever the engine finds of a kind in ASCII holds one of these.
_NUMBER = r"[0-9](?:[ .()/\-]{0,2}[0-9]){5}"
_NEEDED = {
    "email": "@",
    "card": r"[0-9](?:[ .()/\-]{0,2}[0-9]){11}",
    "phone": _NUMBER,
    "national_id": _NUMBER,
    "ip": r"[0-9]\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]|:[0-9A-Fa-f]{0,4}:",
}


def engine_form(kinds: Iterable[str]) -> Form:
    """What a text of ASCII holds in which the engine finds one of the kinds."""
    return any_of(Form(_NEEDED[kind]) for kind in sorted(kinds) if kind in _NEEDED)


Check = Callable[[str], bool]


class PersonalData:
    """Finds the chosen kinds: datafog-core, own forms, and the check digits of python-stdnum."""

    def __init__(self, kinds: Iterable[str]) -> None:
        chosen = frozenset(kinds)
        forms: list[tuple[str, str, Check]] = [
            ("email", EMAIL, _any),
            ("card", CARD, is_card),
            ("iban", IBAN, bool),
            ("national_id", _NINO, _any),
        ]
        if "national_id" in chosen:
            forms += [("national_id", form, _validity(name)) for name, form in _NATIONAL]
        self._forms = [(kind, Form(form), check) for kind, form, check in forms if kind in chosen]
        self.screen = any_of(form for _, form, _ in self._forms) if self._forms else None
        self.engine = engine_form(chosen)
        self._entities = [name for kind in sorted(chosen) for name in _ENTITIES.get(kind, ())]
        self._kinds = {name: kind for kind, names in _ENTITIES.items() for name in names}
        import datafog_core  # noqa: PLC0415 - a gateway without `redact` does not load it

        self._scan = datafog_core.scan

    def find(self, reading: Reading) -> Iterator[Span]:
        """What is personal in a text."""
        text = reading.text
        # One pass tells that there is nothing, which is what there is mostly.
        is_clean = self.screen is None or not self.screen.is_in(reading)
        for kind, form, is_right in () if is_clean else self._forms:
            for start, end in form.places(reading):
                found = text[start:end]
                if kind == "iban":
                    found = _trimmed_iban(found)
                if is_right(found) and not (kind == "card" and is_fraction(text, start)):
                    yield Span(start, start + len(found), kind)
        if self._entities and not (reading.is_ascii and self.engine in reading.lacks):
            yield from self._of_engine(text)

    def _of_engine(self, text: str) -> Iterator[Span]:
        for offset in range(0, max(len(text) - OVERLAP, 1), CHUNK):
            chunk = text[offset : offset + CHUNK + OVERLAP]
            for found in self._scan(chunk, {"entities": self._entities}):
                where, kind = found.codepoint_range, self._kinds[found.entity_type]
                if kind == "card" and not is_card(found.matched_text):
                    continue
                yield Span(offset + where.start, offset + where.end, kind)


def is_card(text: str) -> bool:
    """Whether this is the number of a payment card: a brand's digits, and the check digit."""
    digits = "".join(character for character in text if character.isdigit())
    if not 13 <= len(digits) <= 19 or len(set(digits)) == 1:
        return False
    first = int(digits[:6])
    is_branded = any(first in starts and len(digits) in sizes for starts, sizes in _BRANDS)
    return is_branded and bool(luhn.is_valid(digits))


def is_fraction(text: str, start: int) -> bool:
    """Whether the digits here come after a decimal point: `0.4111…`."""
    return text[start - 1 : start] == "." and text[max(start - 2, 0) : start - 1].isdigit()


def _any(_text: str) -> bool:
    return True


def _is_iban(text: str) -> bool:
    return bool(iban.is_valid(text, check_country=False))


def _trimmed_iban(text: str) -> str:
    """The account number at the start: the form also takes words in capitals that follow."""
    while text and not _is_iban(text):
        text = text.rpartition(" ")[0]
    return text


def _validity(name: str) -> Check:
    module = importlib.import_module(f"stdnum.{name}")

    def is_valid(text: str) -> bool:
        return bool(module.is_valid(text))

    return is_valid
