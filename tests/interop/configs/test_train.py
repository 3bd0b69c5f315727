"""`aligndetr train` on a detrex dump: only the data, its classes and the device are overridden."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from aligndetr.cli import main

HERE = Path(__file__).parent
COCO = HERE.parents[1] / "data" / "golden" / "coco"  # two images, three classes


@pytest.mark.filterwarnings("ignore:.*lr_factor_func")
@pytest.mark.filterwarnings("ignore:.*worker processes")
def test_a_dump_trains_and_evaluates(tmp_path, capsys):
    overrides = ["model.num_classes=3", "train.device=cpu", "train.init_checkpoint="]
    overrides += [f"train.output_dir={tmp_path}", "train.max_iter=2"]
    for split in ("train", "test"):
        dataset = f"dataloader.{split}.dataset"
        overrides += [f"{dataset}.json_file={COCO / 'instances.json'}"]
        overrides += [f"{dataset}.image_root={COCO}", f"dataloader.{split}.num_workers=0"]
    overrides += ["dataloader.train.total_batch_size=2"]
    overrides += ["dataloader.test.mapper.augmentation.0.short_edge_length=64"]
    overrides += ["dataloader.train.mapper.augmentation.1.short_edge_length=[64]"]
    overrides += ["dataloader.train.mapper.augmentation_with_crop=null"]
    assert main(["train", str(HERE / "dump.yaml"), *overrides]) == 0
    saved = torch.load(tmp_path / "model_final.pth", weights_only=True)
    assert saved["model"]["query_source.content.weight"].shape == (70, 64)  # ours, as dumped
    assert saved["class_names"] == ["person", "car", "cat"]
    assert "bbox AP" in capsys.readouterr().out
    assert (tmp_path / "coco_instances_results.json").is_file()
