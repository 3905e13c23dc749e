from __future__ import annotations

import subprocess
import sys

from alembic.config import Config
from alembic.script import ScriptDirectory

from callgate.storage.migrations.upgrade import LOCATION
from callgate.storage.schema import REVISION, metadata


def test_revision_is_that_of_the_newest_migration() -> None:
    config = Config()
    config.set_main_option("script_location", LOCATION)
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_current_head() == REVISION


def test_body_and_payload_are_the_last_columns_so_that_what_precedes_it_is_read_without_it() -> (
    None
):
    assert metadata.tables["records"].columns.keys()[-2:] == ["body", "payload"]


def test_a_store_in_sqlite_loads_nothing_that_knows_of_postgresql() -> None:
    program = (
        "import sys, callgate.storage.store;"
        "sys.exit('sqlalchemy.dialects.postgresql' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
