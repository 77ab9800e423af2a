"""A short one of the long syncs of `python -m tests.whole_run.soak`."""

from __future__ import annotations

from tests.whole_run.soak import MEBIBYTE, soak


def test_a_long_run_full_of_faults_loses_nothing_and_leaves_nothing_open() -> None:
    figures = soak(records=4_000, every=5, page_size=40)
    assert not figures.failures
    assert figures.records > 3_500
    assert (figures.missing, figures.repeated) == (0, 0)
    assert len(figures.struck) >= 20
    assert figures.files_opened <= 10
    assert figures.growth < 40 * MEBIBYTE
