import pytest

from callgate.audit.joining import joined, read_joined
from callgate.audit.record import indexed


def test_an_entry_of_the_log_of_logs_has_the_checkpoint_of_another_log() -> None:
    note = "callgate.dev/00/3\n17\nroot\n\n— callgate.dev/00 AAAA\n"
    entry = joined(3, 17, note, 1_700_000_000.5)

    assert indexed(entry.body) == entry
    assert (entry.kind, entry.call_id, entry.payload) == ("checkpoint", "k3-0000000000017", None)
    said = read_joined(entry.body)
    assert (said.log, said.size, said.note) == (3, 17, note)


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"\xff", b'{"log":"1","size":2,"note":""}'])
def test_what_is_no_such_entry_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match="no entry of the log of logs"):
        read_joined(body)
