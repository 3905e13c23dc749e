"""Through the gateway, the conformance suite of MCP finds nothing that it does not find without."""

from collections.abc import Iterator

import pytest

from conformance.cells import CELLS, Cell, Runs

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def runs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Runs]:
    runs = Runs(tmp_path_factory.mktemp("conformance"))
    for item in request.session.items:  # every cell that was selected, so that no core waits
        if isinstance(item, pytest.Function) and item.module is request.module:
            selected = item.callspec.params["cell"]
            assert isinstance(selected, Cell)
            runs.start(selected)
    yield runs
    runs.close()


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.name)
def test_nothing_is_worse_through_the_gateway_than_the_baseline_says(
    runs: Runs, cell: Cell
) -> None:
    complaints = runs.outcome(cell).complaints()

    assert not complaints, "\n".join(complaints)
