"""Two real processes against one: everything they do together, in one start of them."""

import pytest
import torch

from aligndetr.engine.launch import launch
from tests.engine import engine_workers as workers  # by this name started processes find it, too


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    """(exit code, results) of two processes."""
    folder = tmp_path_factory.mktemp("together")
    code = launch(workers.main, num_gpus=2, device="cpu", args=(folder,))
    return code, torch.load(folder / "results.pth", weights_only=False), folder


@pytest.mark.parametrize("case", [*workers.CASES, "accumulated"])
def test_two_processes_have_the_gradients_of_the_joined_batch(together, case):
    _, results, _ = together
    gradients, losses = results[case]
    overrides, counts = workers.CASES.get(case, (workers.WITHOUT, [[3], [1], [2], [0]]))
    joined = [item for batch in workers.batches_of(counts) for item in batch]
    expected, expected_losses = workers.gradients_of(workers.tiny_model(*overrides), [joined])
    assert gradients.keys() == expected.keys()
    for name, gradient in expected.items():
        tolerance = 1e-5 * gradient.abs().max().item() + 1e-7
        torch.testing.assert_close(gradients[name], gradient, rtol=1e-4, atol=tolerance, msg=name)
    assert sum(g.abs().sum() for g in expected.values()) > 0
    for name in ("total_loss", "loss_class", "loss_bbox_enc", "grad_norm"):
        assert losses[name] == pytest.approx(expected_losses[name], rel=1e-4, abs=1e-6), name


def test_compressed_gradients_are_those_that_were_sent_rounded(together):
    """Half precision keeps 11 bits of a number, and none below 2^-24; a sum of two rounds again."""
    compressed, _ = together[1]["compressed"]["fp16"]
    whole, _ = together[1]["without_denoising"]
    for key, gradient in whole.items():
        tolerance = 2**-10 * gradient.abs().max().item() + 2**-24
        torch.testing.assert_close(compressed[key], gradient, rtol=2**-9, atol=tolerance, msg=key)
    assert any(not torch.equal(compressed[key], gradient) for key, gradient in whole.items())


def test_a_precision_that_cannot_travel_between_cpus_is_refused(together):
    message = together[1]["compressed"]["bf16"]
    assert message.startswith("train.ddp.gradient_compression=bf16: ")
    assert message.endswith("fp16 works everywhere")


def test_with_loss_scaling_an_overflow_in_one_process_skips_the_step_of_both(together):
    # 2 * 3e38 is beyond float32, the loss itself is not: no step, and half the scale; then the
    # gradients 1 and 1 at a rate of 0.25
    assert together[1]["overflow"] == [([1.0, 0.75], 1.0, None)] * 2


def test_with_loss_scaling_a_loss_of_one_process_that_is_nan_stops_both(together):
    for weights, scale, stopped in together[1]["nan"]:
        assert weights == [1.0]
        assert scale == 2.0
        assert "not finite" in stopped


def test_every_process_has_the_same_set_of_gradients_with_denoising(together):
    assert together[1]["same_set"]


def test_processes_stop_together_and_share_results(together):
    _, results, folder = together
    first, second = results["stopped"]
    assert first == second
    # asked in iteration 2, which both finish; evaluated after iteration 1
    assert first[:2] == [3, (7.0, 1)]
    saved = torch.load(folder / "model_0000002.pth", weights_only=True)
    assert len(saved["random_state"]["ranks"]) == 2


def test_processes_agree_on_the_folder_beside_a_used_one(together):
    _, results, folder = together
    assert results["chosen"] == [str(folder / "used-2")] * 2
    assert not (folder / "used-3").exists()


def test_a_signal_to_one_process_cuts_the_evaluation_of_all(together):
    _, results, folder = together
    assert results["cut"] == [[2, 143], [2, 143]]
    saved = torch.load(folder / "cut" / "model_0000001.pth", weights_only=True)
    assert saved["hooks"]["owed"]["hooks"] == ["EvalHook", "PeriodicCheckpointer", "Interruption"]


def test_a_killed_process_is_named_and_the_others_end(capfd):
    assert launch(workers.killed, num_gpus=2, device="cpu") == 137
    error = capfd.readouterr().err
    assert "error: process 1 was ended by SIGKILL" in error
    assert "Traceback" not in error


def test_the_error_of_one_process_is_the_exit_code(together):
    assert together[0] == 2
