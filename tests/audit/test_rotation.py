import pytest

from callgate.audit.checkpoints import Checkpoint
from callgate.audit.event import event
from callgate.audit.keys import COSIGNATURE, NotAKeyError, SigningKey
from callgate.audit.record import indexed
from callgate.audit.rotation import (
    Change,
    key_changed,
    newcomers,
    read_change,
    read_keys,
    written_keys,
)

ORIGIN = "callgate.dev/00112233445566aa"
OLD = SigningKey(ORIGIN, bytes(range(32)))
NEW = SigningKey(ORIGIN, bytes(range(1, 33)))


def note(*keys: SigningKey) -> str:
    return str(Checkpoint(origin=f"{ORIGIN}/1", size=3, root=bytes(32)).signed(keys))


def test_a_key_file_has_a_key_on_each_line() -> None:
    text = f"# made 2026-11-29\n\n{OLD.text}\n  {NEW.text}  \n"

    assert [key.text for key in read_keys(text, ORIGIN)] == [OLD.text, NEW.text]
    assert [key.text for key in read_keys(written_keys([NEW, OLD]), ORIGIN)] == [
        NEW.text,
        OLD.text,
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no key in it"),
        ("# nothing\n", "no key in it"),
        ("hello\n", "begins with"),
        (OLD.text[:-3], "id in the key|base64|Ed25519"),
        (f"{OLD.text}\n{OLD.text}\n", "twice"),
        (SigningKey.generated("callgate.dev/other").text, "not of callgate.dev/0011"),
        (SigningKey.generated(ORIGIN, COSIGNATURE).text, "not of"),
        ("\n".join(SigningKey.generated(ORIGIN).text for _ in range(9)), "more than 8"),
        (OLD.verifier.text, "begins with"),
    ],
)
def test_what_is_no_key_file_of_this_store_is_refused(text: str, problem: str) -> None:
    with pytest.raises(NotAKeyError, match=problem) as raised:
        read_keys(text, ORIGIN)
    assert OLD.text.rpartition("+")[2][:10] not in str(raised.value)


def test_a_key_that_has_not_signed_the_last_checkpoint_is_new_to_the_log() -> None:
    assert newcomers([OLD], note(OLD)) == []
    assert newcomers([OLD, NEW], note(OLD)) == [NEW.verifier]
    assert newcomers([NEW], note(OLD, NEW)) == []
    assert newcomers([NEW], note(OLD)) == [NEW.verifier]


def test_the_first_key_of_a_new_log_is_not_new_to_it() -> None:
    assert newcomers([OLD], None) == []
    assert newcomers([OLD, NEW], None) == [NEW.verifier]


def test_after_a_checkpoint_that_nobody_can_read_every_key_is_new() -> None:
    assert newcomers([OLD], "nonsense") == [OLD.verifier]


def test_the_event_names_the_key_that_was_added() -> None:
    entry = key_changed(NEW.verifier, [OLD, NEW], 5.0)

    assert indexed(entry.body) == entry
    assert entry.code == "signing_key_changed"
    change = Change(added=NEW.verifier, others=(OLD.verifier, NEW.verifier))
    assert read_change(entry.body, ORIGIN) == change


def test_an_event_names_no_key_of_another_store_nor_of_a_witness() -> None:
    other = SigningKey.generated("callgate.dev/other")
    witness = SigningKey.generated(ORIGIN, COSIGNATURE)

    assert read_change(key_changed(other.verifier, [other], 5.0).body, ORIGIN) is None
    assert read_change(key_changed(witness.verifier, [witness], 5.0).body, ORIGIN) is None
    assert read_change(event("signing_key_changed", 5.0, {"added": "x"}).body, ORIGIN) is None
    assert read_change(b"\xff", ORIGIN) is None
