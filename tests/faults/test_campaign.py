"""A fixed share of every kind of fault; `python -m tests.faults` looks at thousands."""

import pytest
import torch

from tests.faults.bench import Bench
from tests.faults.campaign import KINDS, SHARES, run_cases

INPUTS, DISTURBED = 30, 12  # with `SHARES`; a minute of one core in all


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield Bench(tmp_path_factory.mktemp("faults") / "bench")
    torch.set_num_threads(threads)


@pytest.mark.parametrize("kind", KINDS)
def test_no_fault_is_found(bench, kind):
    count = DISTURBED if kind in SHARES else INPUTS
    tally = run_cases(kind, bench, seed=0, count=count)
    assert tally.cases
    assert not tally.examples, "\n\n".join(tally.examples)
