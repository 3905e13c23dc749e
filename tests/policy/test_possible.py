"""What holds of all parts, and what of one of them, as sets of values."""

from callgate.policy.possible import ANYTHING, KINDS_OF, Possible, all_of, any_of, sometimes

STRING, NUMBER, INTEGER = (
    Possible(kinds=KINDS_OF[name]) for name in ("string", "number", "integer")
)
ARRAY = Possible(kinds=KINDS_OF["array"])


def an_object(*needed: str, is_closed: bool = False, **fields: Possible) -> Possible:
    return Possible(
        kinds=KINDS_OF["object"], fields=fields, required=frozenset(needed), is_closed=is_closed
    )


def test_kinds_are_sets() -> None:
    assert all_of([NUMBER, INTEGER]) == INTEGER
    assert any_of([NUMBER, INTEGER]) == NUMBER
    assert all_of([STRING, INTEGER]).kinds == frozenset()
    assert any_of([STRING, INTEGER]).kinds == frozenset({"string", "integer"})
    assert any_of([STRING, ANYTHING]).kinds is None
    assert all_of([STRING, ANYTHING]) == STRING


def test_nothing_said_is_anything() -> None:
    assert all_of([]) is ANYTHING
    assert any_of([]) is ANYTHING


def test_all_objects_together_have_the_fields_and_needs_of_each() -> None:
    assert all_of([an_object("a", a=STRING, x=NUMBER), an_object("b", b=STRING, x=INTEGER)]) == (
        an_object("a", "b", a=STRING, b=STRING, x=INTEGER)
    )


def test_one_of_several_objects_needs_what_all_need_and_has_what_any_has() -> None:
    made = any_of([an_object("k", "a", k=STRING, a=STRING), an_object("k", k=INTEGER)])

    assert made.required == {"k"}
    assert made.fields == {"k": any_of([STRING, INTEGER]), "a": STRING}


def test_a_field_is_unsure_where_an_open_object_may_hold_something_else_in_it() -> None:
    one, closed = an_object(a=STRING), an_object(b=STRING, is_closed=True)

    assert any_of([one, an_object(b=STRING)]).unsure == {"a", "b"}
    assert any_of([one, closed]).unsure == {"b"}  # objects of the first kind may hold any b
    assert any_of([closed, an_object(b=INTEGER, is_closed=True)]).unsure == frozenset()


def test_who_is_sure_of_a_field_is_heard_before_who_is_not() -> None:
    either = any_of([an_object(a=STRING), an_object(b=STRING)])

    made = all_of([an_object(a=any_of([STRING, INTEGER])), either])

    assert made.fields == {"a": any_of([STRING, INTEGER]), "b": STRING}
    assert made.unsure == {"b"}
    assert all_of([an_object(), sometimes(an_object("c", c=STRING))]).required == frozenset()


def test_items_are_known_only_where_every_array_says_them() -> None:
    strings = Possible(kinds=KINDS_OF["array"], items=STRING)

    assert any_of([strings, ARRAY]).items is None
    assert any_of([strings, STRING]).items == STRING
    assert all_of([strings, ARRAY]).items == STRING


def test_the_kind_that_is_meant_counts_beside_others_and_gives_way_to_what_is_said() -> None:
    meant = Possible(fields={"a": STRING}, meant="object")

    assert any_of([meant, STRING]).kinds == frozenset({"object", "string"})
    assert all_of([meant, STRING]).kinds == frozenset({"string"})
