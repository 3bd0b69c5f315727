"""Which way to train is proposed, from trials of a machine whose law is known."""

import pytest

from aligndetr.engine.proposals import Setting, best, predict, propose, settings
from aligndetr.engine.trial import Trial

GB = 10**9
PLAIN = Setting("as configured")


def machine(tried, fixed=1, image=0.5, seconds=0.1):
    """Takes 1 GB and half a GB an image; a pixel an image."""

    def attempt(overrides, batch_size, parts):
        tried.append((batch_size, parts))
        peak = round((fixed + image * batch_size) * GB)
        return Trial(batch_size, batch_size * 1000, peak, seconds * batch_size)

    return attempt


def test_memory_is_a_line_over_pixels():
    trials = [Trial(1, 1000, 3 * GB, 0.5), Trial(2, 2500, 6 * GB, 0.8)]
    # 3 GB for 1500 pixels; 8 images are 10000 pixels, 7500 more than the last: 6 + 15
    assert predict(trials, 8) == Trial(8, 10000, 21 * GB, pytest.approx(3.2))
    assert predict(trials, 1) is trials[0]
    assert predict(trials[:1], 2).peak == 6 * GB  # all of it may be activations


def test_the_largest_batch_that_fits():
    tried = []
    # 5 GB with a tenth to spare are 4.5: 1 + 7 / 2; of the divisors of 16, four
    found = propose(PLAIN, 16, 16, 5 * GB, 100 * GB, machine(tried))
    assert [(p.batch_size, p.parts, p.peak, p.fits) for p in found] == [
        (16, 1, 9 * GB, False),
        (4, 4, 3 * GB, True),
    ]
    assert tried == [(1, 16), (2, 8), (4, 4), (16, 1)]
    assert [p.step_seconds for p in found] == pytest.approx([1.6, 1.6])
    assert all(p.is_measured for p in found)
    assert best(found) is found[1]
    assert found[1].overrides(1) == ["train.accumulation_steps=4"]
    assert found[1].overrides(4) == []


def test_what_the_machine_has_not_is_predicted():
    tried = []
    found = propose(PLAIN, 16, 16, 80 * GB, 3 * GB, machine(tried))  # 2.7 GB: two images, 2 GB
    assert tried == [(1, 16), (2, 8)]
    assert [(p.batch_size, p.peak, p.is_measured, p.fits) for p in found] == [
        (16, 9 * GB, False, True)
    ]


def test_what_would_take_long_is_predicted():
    tried = []
    propose(PLAIN, 16, 16, 80 * GB, 80 * GB, machine(tried, seconds=1.0))
    assert tried == [(1, 16), (2, 8)]  # 16 images in five steps of two parts: 160 s


def test_nothing_fits():
    found = propose(PLAIN, 4, 4, GB, 100 * GB, machine([]))
    assert [(p.batch_size, p.fits) for p in found] == [(4, False), (1, False)]
    assert best(found) is None
    assert propose(PLAIN, 4, 4, GB, GB, lambda *_: None) == []


def test_a_change_must_gain_something():
    plain = propose(PLAIN, 4, 4, 10 * GB, 100 * GB, machine([]))
    same = propose(Setting("b", ("b=1",)), 4, 4, 10 * GB, 100 * GB, machine([], seconds=0.097))
    fast = propose(Setting("c", ("c=1",)), 4, 4, 10 * GB, 100 * GB, machine([], seconds=0.05))
    assert best([*plain, *same]) is plain[0]
    assert best([*plain, *same, *fast]) is fast[0]
    assert fast[0].overrides(2) == ["train.accumulation_steps=1", "c=1"]


def test_settings_are_what_the_config_does_not_do_yet():
    names = [s.name for s in settings(["encoder", "decoder"], None, [])]
    assert names == ["as configured", "bfloat16", "checkpointing", "bfloat16, checkpointing"]
    assert [s.name for s in settings(["encoder"], "bfloat16", ["encoder"])] == ["as configured"]
    (_, one) = settings(["encoder"], "float16", [])
    assert one.overrides == ("train.activation_checkpointing=[encoder]",)
    assert [s.name for s in settings([], None, [])] == ["as configured", "bfloat16"]
