"""A real run of the command line with loading processes, and a signal to all of them at once."""

import os
import signal
import subprocess
import sys
import time

import pytest
import torch


@pytest.fixture
def command(coco_folder, tmp_path):
    words = [f"train.output_dir={tmp_path}", "train.max_iter=100000", "train.log_period=1"]
    words += ["train.device=cpu", "train.eval_period=0", "model.encoder.num_layers=1"]
    words += ["model.decoder.num_layers=1", "model.criterion.match_num=[1,1]"]
    words += ["dataloader.train.total_batch_size=2", "dataloader.train.num_workers=2"]
    for split in ("train", "test"):
        words.append(f"dataloader.{split}.dataset.json_file={coco_folder}/boxes.json")
        words.append(f"dataloader.{split}.dataset.image_root={coco_folder}")
    return [sys.executable, "-m", "aligndetr", "train", "aligndetr_tiny", *words]


def test_a_signal_to_the_whole_group_ends_a_run_in_good_order(command, tmp_path):
    log = tmp_path / "stderr.txt"
    with open(log, "w") as stderr:
        run = subprocess.Popen(command, stderr=stderr, start_new_session=True)
    try:
        while "iter 2/" not in log.read_text():
            assert run.poll() is None, log.read_text()
            time.sleep(0.05)
        os.killpg(run.pid, signal.SIGTERM)
        assert run.wait(300) == 143
    finally:
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGKILL)
            run.wait()
    text = log.read_text()
    assert "Traceback" not in text
    assert text.count("SIGTERM: finishing this step") == 1
    last = tmp_path / (tmp_path / "last_checkpoint").read_text()
    assert torch.load(last)["iteration"] >= 1
    with pytest.raises(ProcessLookupError):  # no worker is left
        os.killpg(run.pid, 0)
