from callgate.storage.index.schema import metadata
from callgate.storage.schema import metadata as record


def test_tables_of_the_index_are_none_of_the_record() -> None:
    assert all(name.startswith("search_") for name in metadata.tables)
    assert not metadata.tables.keys() & record.tables.keys()
