"""Each shipped config in turn, trained for one step with as little of everything as it allows."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from omegaconf import ListConfig, OmegaConf

from aligndetr.config import LazyConfig
from aligndetr.config.find_file import shipped_configs
from aligndetr.data.demo_shapes import ensure_shapes
from aligndetr.engine.hooks import EMAHook, Hook
from aligndetr.engine.run import train
from aligndetr.engine.trainer import Trainer

CONFIGS = {config.name: config.path for config in shipped_configs()}
SMALL_IMAGES = {"short_edge_length": 64, "max_size": 96, "shape": 64}
ON_A_CPU = [
    "train.device=cpu",
    "train.seed=0",
    "train.max_iter=2",
    "train.init_checkpoint=''",
    "model.num_classes=6",
    "dataloader.train.dataset.names=shapes_mini_train",
    "dataloader.train.total_batch_size=2",
    "dataloader.train.num_workers=0",
    "dataloader.train.dataset.filter_empty=true",
    "dataloader.test.dataset.names=shapes_mini_val",
    "dataloader.test.batch_size=1",
    "dataloader.test.num_workers=0",
]
# Full width makes a step with all around it take 20 seconds, most of it for files of half a GB.
# The number of layers, levels, points and heads stays as published.
THIN = {
    "model.embed_dim": 32,
    "model.pyramid.position_embedding.num_features": 16,
    "model.encoder.position_embedding.num_features": 16,
    "model.neck.num_groups": 8,
    "model.encoder.layer.ffn.feedforward_dim": 64,
    "model.decoder.layer.ffn.feedforward_dim": 64,
    "lr_multiplier.warmup_length": 0.0,
    "model.decoder.first_layer.ffn.feedforward_dim": 64,
    "model.num_queries": 30,
    "model.query_source.num_one_to_many": 60,
    "model.denoiser.num_queries": 10,
}


@pytest.fixture(scope="session")
def shapes(tmp_path_factory):
    """Root of the demo set, whose evaluation part has but two images."""
    root = tmp_path_factory.mktemp("datasets")
    for name in ("shapes_mini_train", "shapes_mini_val"):
        folder = ensure_shapes(name, root)
    content = json.loads((folder / "instances.json").read_text())
    content["images"] = content["images"][:2]
    kept = {image["id"] for image in content["images"]}
    content["annotations"] = [a for a in content["annotations"] if a["image_id"] in kept]
    (folder / "instances.json").write_text(json.dumps(content))
    return root


class Spy(Hook):
    """Copies what there is before a training, and what its backward passes leave."""

    def before_train(self):
        self.model = self.trainer.model
        self.before = {name: value.clone() for name, value in self.model.named_parameters()}
        averages = [hook.ema.module for hook in self.trainer.hooks if isinstance(hook, EMAHook)]
        self.evaluated = (averages or [self.model])[0]

    def after_backward(self):
        self.gradients = {
            name: None if p.grad is None else p.grad.clone()
            for name, p in self.model.named_parameters()
            if p.requires_grad
        }

    def after_train(self):
        self.losses = {name: value for name, (value, _) in self.trainer.storage.latest().items()}


@dataclass
class Step:
    """A config that was trained for a step or two, evaluated and saved by the engine."""

    name: str
    folder: Path
    spy: Spy
    results: dict[str, dict[str, float]]

    @property
    def config(self):
        return LazyConfig.load(self.folder / "config.yaml")

    @property
    def checkpoint(self):
        return self.folder / "model_final.pth"


@pytest.fixture(scope="module", params=CONFIGS)
def step(request, shapes, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    spy, register = Spy(), Trainer.register_hooks
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DETECTRON2_DATASETS", str(shapes))
        patch.setattr(Trainer, "register_hooks", lambda self, hooks: register(self, [spy, *hooks]))
        results = train(small_config(request.param, folder))
        yield Step(request.param, folder, spy, results)
    torch.set_num_threads(threads)
    shutil.rmtree(folder)


def small_config(name, folder):
    """The config with overrides that anyone could write."""
    config = LazyConfig.load(CONFIGS[name])
    overrides = [*ON_A_CPU, f"train.output_dir={folder}", *small_images(config)]
    if config.model.num_classes is not None:  # else made for a CPU: all of it as it is
        thin = {
            key: value for key, value in THIN.items() if OmegaConf.select(config, key) is not None
        }
        overrides += [f"{key}={value}" for key, value in thin.items()]
        overrides += thin_backbone(config)
    return LazyConfig.apply_overrides(config, overrides)


def small_images(config):
    """Overrides that shrink what the config's own augmentations make."""
    if "batch_transform" in config.dataloader.train:
        yield "dataloader.train.batch_transform.sizes=[64,96]"
    for split in ("train", "test"):
        for steps in ("augmentation", "augmentation_with_crop"):
            key = f"dataloader.{split}.mapper.{steps}"
            for index, augmentation in enumerate(OmegaConf.select(config, key) or ()):
                for argument, value in SMALL_IMAGES.items():
                    if argument in augmentation:
                        many = isinstance(augmentation[argument], ListConfig)
                        yield f"{key}.{index}.{argument}={[value] if many else value}"
                if augmentation.get("crop_type") == "absolute_range":
                    yield f"{key}.{index}.crop_size=[32,48]"


def thin_backbone(config):
    """A ResNet or Swin transformer with an eighth of the channels."""
    backbone = config.model.backbone
    channels = {name: count // 8 for name, count in config.model.neck.in_channels.items()}
    if "config" in backbone:
        width = backbone.config.embed_dim // 8
        narrow = [f"model.backbone.config.embed_dim={width}"]
    else:
        narrow = ["+model.backbone.width=8"]
    return [*narrow, f"model.neck.in_channels={channels}"]
