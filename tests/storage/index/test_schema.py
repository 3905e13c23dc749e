from callgate.storage.index.schema import TABLES
from callgate.storage.schema import metadata as record


def test_tables_of_the_index_are_none_of_the_record() -> None:
    assert all(name.startswith("search_") for name in TABLES)
    assert not set(TABLES) & record.tables.keys()
