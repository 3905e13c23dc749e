from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError

from callgate.config.references import resolve
from callgate.config.source import read_yaml
from callgate.config.validation import nearest, problems_of


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Cat(Strict):
    whiskers: int
    name: str = ""


class Dog(Strict):
    tail: Annotated[float, Field(gt=0)]


class Zoo(Strict):
    cats: tuple[Cat, ...] = ()
    pets: dict[
        str,
        Annotated[
            Annotated[Cat, Tag("<cat>")] | Annotated[Dog, Tag("<dog>")],
            Discriminator(lambda pet: "<cat>" if "whiskers" in pet else "<dog>"),
        ],
    ] = {}
    either: int | list[int] = 0
    mood: Literal["good", "bad"] = "good"
    nested: Annotated[dict[str, Annotated[Cat, Field()]], Field()] | None = None


def problems(text: str) -> list[str]:
    resolved = resolve(read_yaml(text, "z"), "z", Path(), {"SECRET": "whiskered-secret"})
    with pytest.raises(ValidationError) as caught:
        Zoo.model_validate(resolved.root.plain())
    return [str(problem) for problem in problems_of(caught.value, Zoo, resolved, "z")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cat: []", "z:1:1: cat: unknown key; did you mean 'cats'?"),
        ("cats: [{whisker: 1}]", "z:1:9: cats[0].whisker: unknown key; did you mean 'whiskers'?"),
        ("cats: [{}]", "z:1:8: cats[0].whiskers: is missing; add it"),
        ("cats: {}", "z:1:1: cats: must be a list"),
        (
            "nested: {a: {nam: x, whiskers: 1}}",
            "z:1:14: nested.a.nam: unknown key; did you mean 'name'?",
        ),
        ("mood: god", "z:1:1: mood: must be 'good' or 'bad'"),
        ("either: x", "z:1:1: either: must be a whole number, or must be a list"),
        ("pets: {rex: {tail: -1}}", "z:1:14: pets.rex.tail: must be greater than 0"),
        (
            "cats: [{whiskers: 1, name: 5}]",
            "z:1:22: cats[0].name: must be a text; put it in quotes",
        ),
        ("cats: [{whiskers: 1, name: [a]}]", "z:1:22: cats[0].name: must be a text"),
    ],
)
def test_what_does_not_fit_is_said_at_its_place(text: str, expected: str) -> None:
    assert expected in problems(text)


def test_only_the_keys_of_the_chosen_option_are_offered() -> None:
    assert problems("pets: {rex: {tial: 1, tail: 1}, tom: {whiskers: 1, tial: 1}}") == [
        "z:1:14: pets.rex.tial: unknown key; did you mean 'tail'?",
        "z:1:52: pets.tom.tial: unknown key; known are name, whiskers",
    ]


def test_a_place_whose_reference_failed_is_not_complained_about_twice() -> None:
    resolved = resolve(read_yaml("mood: ${env:NOPE}", "z"), "z", Path(), {})
    with pytest.raises(ValidationError) as caught:
        Zoo.model_validate(resolved.root.plain())
    assert problems_of(caught.value, Zoo, resolved, "z") == []


def test_a_telling_part_of_a_referenced_value_is_not_repeated() -> None:
    assert problems("mood: ${env:SECRET}") == ["z:1:1: mood: must be 'good' or 'bad'"]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("audiense", "did you mean 'audience'?"),
        ("zzz", "known are audience, issuer"),
    ],
)
def test_the_nearest_key_is_offered_else_all_of_them(text: str, hint: str) -> None:
    assert nearest(text, ["issuer", "audience"]) == hint
