"""Changes are noticed whichever way an editor writes; what lies beside them is not looked at."""

import os
from pathlib import Path

from callgate.app.watching import look


def test_a_written_replaced_or_deleted_file_looks_different(tmp_path: Path) -> None:
    file = tmp_path / "callgate.yaml"
    looks = [look([file])]

    file.write_text("a")
    looks.append(look([file]))
    file.write_text("ab")
    looks.append(look([file]))
    other = tmp_path / "new"
    other.write_text("ab")
    os.replace(other, file)
    looks.append(look([file]))
    file.unlink()
    looks.append(look([file]))

    assert looks[0] == looks[4] == {file: None}
    assert len({str(one) for one in looks[:4]}) == 4


def test_a_directory_changes_with_the_policies_in_it_and_not_with_the_record(
    tmp_path: Path,
) -> None:
    before = look([tmp_path])

    (tmp_path / "callgate.db-wal").write_text("busy")
    beside = look([tmp_path])
    (tmp_path / "new.cedar").write_text("")
    after = look([tmp_path])

    assert before == beside != after
