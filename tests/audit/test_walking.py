from callgate.audit.balance import Balance
from callgate.audit.columns import Said
from callgate.audit.findings import RECORD_EDITED, RECORD_MISPLACED, RECORD_MISSING
from callgate.audit.merkle import EMPTY_ROOT
from callgate.audit.place import position
from callgate.audit.tiles import Tree
from callgate.audit.walking import Gone, Walk, Walked
from fakes.record import FakeRecord, a_record


def walked(record: FakeRecord, log: int, *wanted: int) -> Walked:
    return Walk(record, log, Balance(), lambda *_: None).run(wanted, lambda _: None)


def test_a_walk_knows_the_roots_that_it_was_asked_for() -> None:
    record = a_record()
    result = walked(record, 1, 0, 1, 255, 256, 257, 600, 600, 634, 9999)

    assert (result.size, result.fault) == (634, None)
    assert result.roots.keys() == {0, 1, 255, 256, 257, 600, 634}
    assert result.roots[0] == EMPTY_ROOT
    for size, root in result.roots.items():
        assert root == Tree(record.hashes(1), size).root()
    assert result.last_at == record.rows[position(1, 633)]["at"]


def test_a_walk_ends_at_the_first_fault() -> None:
    record = a_record()
    record.rows[position(1, 300)]["body"] = "{}"
    record.rows[position(1, 10)]["payload"] = None
    result = walked(record, 1, 256, 400)

    assert result.size == 300
    assert result.fault is not None
    assert (result.fault.code, result.fault.seq) == (RECORD_EDITED, 300)
    assert result.roots.keys() == {256}
    assert result.gone == (Gone(first=10, last=10, has_body=True),)


def test_what_is_missing_is_told_from_where_to_where() -> None:
    record = a_record()
    for seq in (40, 41, 42):
        del record.rows[position(1, seq)]
    fault = walked(record, 1).fault

    assert fault is not None
    assert (fault.code, fault.seq) == (RECORD_MISSING, 40)
    assert "1/42" in fault.reason


def test_a_log_whose_number_cannot_be_is_a_fault_itself() -> None:
    fault = walked(a_record(), -1).fault

    assert fault is not None and fault.code == RECORD_MISPLACED


def test_entries_that_are_not_of_calls_are_told() -> None:
    heard: list[tuple[int, int, str]] = []

    def hear(log: int, seq: int, said: Said, body: bytes) -> None:
        heard.append((log, seq, said.kind))

    Walk(a_record(), 0, Balance(), hear).run((), lambda _: None)
    assert heard == [(0, seq, "checkpoint") for seq in range(6)]


def test_an_export_without_columns_is_walked_by_its_bodies() -> None:
    record = a_record()
    record.has_columns = False
    for row in record.rows.values():
        row |= dict.fromkeys(("kind", "call_id", "at", "principal", "tool"))

    result = walked(record, 1)
    assert (result.size, result.fault) == (634, None)
    assert result.last_at == 1_700_000_000.0 + 316 / 64
