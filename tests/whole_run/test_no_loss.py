"""No record is lost whatever happens: hundreds of simulated runs, and that they find a loss."""

from __future__ import annotations

import pytest

from tests.whole_run.simulation import page_numbers_alone, simulate

RUNS = 120
CHUNK = 20


@pytest.mark.parametrize("first", range(0, RUNS, CHUNK))
def test_nothing_is_missing_after_random_edits_and_kills(first: int) -> None:
    outcomes = [simulate(seed) for seed in range(first, first + CHUNK)]

    missing = {outcome.seed: outcome.missing[:3] for outcome in outcomes if outcome.missing}
    assert not missing, "play a seed again with: python -m tests.whole_run.simulation --seed SEED"


def test_the_simulation_finds_the_loss_that_plain_page_numbers_cause() -> None:
    # The first seed of these that edits a row between two pages is enough.
    outcomes = (simulate(seed, page_numbers_alone) for seed in range(25, 60))

    assert any("the target has" in line for outcome in outcomes for line in outcome.missing)
