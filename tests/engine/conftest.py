import random

import numpy as np
import pytest
import torch

from aligndetr.config import LazyConfig
from aligndetr.config.find_file import resolve_config
from aligndetr.structures import Boxes, Instances
from tests.engine.toy import ToyDetector, write_coco


def toy_item(index, objects):
    rng = torch.Generator().manual_seed(index)
    start = torch.rand(objects, 2, generator=rng) * 5
    size = torch.rand(objects, 2, generator=rng) * 4 + 1
    return {
        "image": torch.randint(0, 256, (3, 10, 12), dtype=torch.uint8, generator=rng),
        "image_id": index,
        "file_name": f"image_{index}.png",
        "height": 10,
        "width": 12,
        "instances": Instances(
            (10, 12),
            gt_boxes=Boxes(torch.cat([start, start + size], dim=1)),
            gt_classes=torch.randint(0, 3, (objects,), generator=rng),
        ),
    }


class ToyLoader:
    """Endless, resumable; images have 0 to 3 objects; uses the global random generators too."""

    def __init__(self, batch_size=4, fail_at=None):
        self.batch_size = batch_size
        self.consumed = 0
        self.fail_at = fail_at

    def __iter__(self):
        while True:
            if self.consumed == self.fail_at:
                raise OSError("the disk is gone")
            self.consumed += 1
            noise = random.random() + np.random.rand()
            batch = [
                toy_item(self.consumed * self.batch_size + i, (self.consumed + i) % 4)
                for i in range(self.batch_size)
            ]
            batch[0]["image"] = (batch[0]["image"].float() * (1 - noise / 4)).to(torch.uint8)
            yield batch

    def state_dict(self):
        return {"consumed": self.consumed}

    def load_state_dict(self, state):
        self.consumed = state["consumed"]


@pytest.fixture(autouse=True)
def one_thread():
    """Tensors here are too small for more."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def toy_detector():
    def make(seed=0, **arguments):
        torch.manual_seed(seed)
        return ToyDetector(**arguments)

    return make


@pytest.fixture
def toy_loader():
    return ToyLoader


@pytest.fixture
def make_item():
    return toy_item


@pytest.fixture(scope="session")
def coco_folder(tmp_path_factory):
    """Ten images of 64 x 48 with coloured rectangles, one of them without; three classes."""
    folder = tmp_path_factory.mktemp("coco")
    write_coco(folder)
    return folder


@pytest.fixture
def tiny_config(coco_folder, tmp_path):
    """AlignDETR-tiny on those images; further overrides as arguments."""

    def make(*overrides):
        config = LazyConfig.load(resolve_config("aligndetr_tiny"))
        data = f"json_file={coco_folder}/boxes.json", f"image_root={coco_folder}"
        common = [f"dataloader.{split}.dataset.{x}" for split in ("train", "test") for x in data]
        common += [f"dataloader.{split}.num_workers=0" for split in ("train", "test")]
        common += ["dataloader.train.total_batch_size=2", "train.reference_batch_size=2"]
        common += [f"train.output_dir={tmp_path}/run", "train.log_period=1", "train.device=cpu"]
        common += ["train.max_iter=3", "train.eval_period=0", "train.checkpointer.period=0"]
        common += ["model.encoder.layer.dropout=0.1", "model.decoder.layer.ffn.dropout=0.1"]
        common += [
            "train.model_ema.enabled=false",
            "model.decoder.num_layers=1",
            "model.criterion.match_num=[2,1]",
        ]
        return LazyConfig.apply_overrides(config, [*common, *overrides])

    return make
