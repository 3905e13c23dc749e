from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from callgate.storage.settings import StoreSettings


def test_defaults_survive_power_loss_and_mask_nothing() -> None:
    settings = StoreSettings()
    assert settings.path == Path("callgate.db")
    assert settings.synchronous == "full"
    assert settings.mask == ()
    assert settings.busy_timeout_seconds == 5


@pytest.mark.parametrize("path", ["", "card..number", ".card", "card."])
def test_mask_that_is_not_a_path_is_an_error_that_names_it(path: str) -> None:
    with pytest.raises(ValidationError, match="is not a path"):
        StoreSettings(mask=(path,))


def test_waiting_no_time_for_other_processes_is_an_error() -> None:
    with pytest.raises(ValidationError, match="busy_timeout_seconds"):
        StoreSettings(busy_timeout_seconds=0)
