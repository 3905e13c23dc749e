from pathlib import Path

import click
import pytest

from callgate.audit.keys import COSIGNATURE, SigningKey
from callgate.cli.audit.opening import (
    LOG_KEY,
    WITNESS_KEY,
    flat,
    opened_bundle,
    opened_either,
    own_keys,
    trusted,
)
from callgate.ports import StoreError
from fakes.filled import fill
from fakes.tampering import calls

LOG, OTHER = SigningKey.generated("a").verifier, SigningKey.generated("b").verifier
WITNESS = SigningKey.generated("w", COSIGNATURE).verifier


def test_a_key_is_given_as_text_or_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(f"# ours\n{LOG.text}\n\n{OTHER.text}\n")

    assert LOG_KEY.convert(LOG.text, None, None) == (LOG,)
    assert LOG_KEY.convert(str(tmp_path / "keys"), None, None) == (LOG, OTHER)
    assert WITNESS_KEY.convert(WITNESS.text, None, None) == (WITNESS,)


@pytest.mark.parametrize("text", [WITNESS.text, "a+b+c", "/nonexistent", LOG.text[:-2] + "AA"])
def test_what_is_no_key_of_a_log_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter):
        LOG_KEY.convert(text, None, None)


def test_keys_that_are_given_twice_count_once() -> None:
    assert flat([(LOG, OTHER), (LOG,)]) == (LOG, OTHER)


def test_a_bundle_does_not_vouch_for_itself() -> None:
    assert trusted([(LOG,)], None, "o") == (LOG,)
    with pytest.raises(click.UsageError, match="vouch for itself"):
        trusted([], None, "o")


def test_the_key_beside_a_store_is_one_of_that_store(tmp_path: Path) -> None:
    settings = fill(tmp_path / "r.db", calls(0, 1))

    with pytest.raises(StoreError, match="not of another"):
        own_keys(settings, "another")


def test_a_bundle_and_a_store_are_not_looked_at_together(tmp_path: Path) -> None:
    with (
        pytest.raises(click.UsageError, match="not both"),
        opened_either(None, "r.db", tmp_path / "b"),
    ):
        pass


def test_a_store_that_is_not_known_has_no_answer(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("store: {path: [1]}\n")
    with (
        pytest.raises(click.ClickException, match=r"store\.path: must be a path") as raised,
        opened_either(tmp_path / "c.yaml", None, None),
    ):
        pass
    assert raised.value.exit_code == 2


def test_what_is_no_bundle_has_no_answer(tmp_path: Path) -> None:
    (tmp_path / "b").write_text("hello")
    for name in ("b", "none"):
        with pytest.raises(click.ClickException) as raised, opened_bundle(tmp_path / name):
            pass
        assert raised.value.exit_code == 2
