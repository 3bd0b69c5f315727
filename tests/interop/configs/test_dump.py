"""A config.yaml of a detrex run becomes our config with the same hyper-parameters."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from aligndetr.config import LazyConfig, instantiate
from aligndetr.data import augmentation as T
from aligndetr.errors import ConfigError
from aligndetr.matchers import FocalCost

DUMP = (Path(__file__).parent / "dump.yaml").read_text()

MODEL = {
    "num_classes": 7,
    "num_queries": 70,
    "embed_dim": 64,
    "pixel_mean": [103.53, 116.28, 123.675],
    "pixel_std": [1.0, 1.0, 1.0],
    "backbone.depth": 34,
    "backbone.norm": "BN",
    "backbone.freeze_at": 0,
    "backbone.width": 32,
    "backbone.out_features": ["res3", "res5"],
    "backbone.stride_in_1x1": False,
    "neck.in_channels": {"res3": 64, "res5": 256},
    "neck.out_channels": 64,
    "neck.num_outs": 3,
    "neck.num_groups": 8,
    "neck.kernel_size": 1,
    "pyramid.num_levels": 3,
    "pyramid.position_embedding.num_features": 32,
    "pyramid.position_embedding.temperature": 20,
    "pyramid.position_embedding.normalize": True,
    "pyramid.position_embedding.offset": -0.5,
    "encoder.num_layers": 1,
    "encoder.layer.self_attention.num_heads": 2,
    "encoder.layer.ffn.feedforward_dim": 80,
    "encoder.layer.ffn.dropout": 0.0,
    "decoder.num_layers": 2,
    "decoder.layer.self_attention.num_heads": 4,
    "decoder.layer.cross_attention.num_heads": 4,
    "decoder.layer.ffn.feedforward_dim": 96,
    "decoder.layer.ffn.dropout": 0.1,
    "decoder.class_head.prior": 0.02,
    "query_source.class_head.prior": 0.02,
    "query_source.num_queries": 70,
    "denoiser.num_queries": 40,
    "denoiser.label_noise_ratio": 0.3,
    "denoiser.box_noise_scale": 0.6,
    "criterion.match_num": [3, 2, 1],
    "criterion.class_agnostic_proposals": True,
    "criterion.weights": {"class": 2.0, "bbox": 5.5, "giou": 2.5},
    "criterion.classification.target.alpha": 0.4,
    "criterion.classification.weighting.gamma": 1.5,
    "criterion.classification.rank_weights.tau": 2.5,
    "criterion.matcher.cost.class_weight": 3.0,
    "criterion.matcher.cost.bbox_weight": 6.0,
    "criterion.matcher.cost.giou_weight": 4.0,
    "criterion.matcher.cost.class_cost.alpha": 0.3,
    "criterion.matcher.cost.class_cost.gamma": 2.5,
}
RUN = {
    "optimizer.lr": 3e-4,
    "optimizer.betas": [0.8, 0.99],
    "optimizer.weight_decay": 0.002,
    "optimizer.params.base_lr": 3e-4,
    "optimizer.params.weight_decay_norm": 0.0,
    "optimizer.params.lr_factor": {"backbone": 0.1},
    "lr_multiplier.scheduler.milestones": [700, 1000],
    "lr_multiplier.scheduler.values": [1.0, 0.2],
    "lr_multiplier.warmup_factor": 0.01,
    "lr_multiplier.warmup_length": 0.05,
    "train.max_iter": 1000,
    "train.eval_period": 13,
    "train.log_period": 7,
    "train.checkpointer.period": 11,
    "train.checkpointer.max_to_keep": 9,
    "train.clip_grad.params.max_norm": 0.3,
    "train.ddp.find_unused_parameters": True,
    "train.model_ema.enabled": True,
    "train.model_ema.decay": 0.99,
    "train.device": "cuda",
    "train.output_dir": "./out",
    "train.init_checkpoint": "detectron2://ImageNetPretrained/torchvision/R-50.pkl",
    "train.wandb.params": {
        "dir": "./wandb_output",
        "name": "detrex_experiment",
        "project": "detrex",
    },
    "train.reference_batch_size": None,  # published: the learning rate is not scaled
}
DATA = {
    "dataloader.train.dataset.names": "coco_2017_train",
    "dataloader.train.dataset.filter_empty": True,  # detectron2's default
    "dataloader.train.total_batch_size": 12,
    "dataloader.train.num_workers": 6,
    "dataloader.train.mapper.image_format": "BGR",
    "dataloader.train.mapper.is_train": True,
    "dataloader.train.mapper.augmentation.1.short_edge_length": [320, 640],
    "dataloader.train.mapper.augmentation_with_crop.0.crop_size": [300, 500],
    "dataloader.test.dataset.names": "coco_2017_val",
    "dataloader.test.dataset.filter_empty": False,
    "dataloader.test.batch_size": 1,
    "dataloader.test.num_workers": 5,
    "dataloader.test.mapper.augmentation.0.short_edge_length": 640,
    "dataloader.test.mapper.augmentation_with_crop": None,
    "dataloader.evaluator.output_dir": "./out",
}


def at(config, path: str):
    for part in path.split("."):
        config = config[int(part) if part.isdigit() else part]
    return config


def test_every_hyper_parameter_arrives(dump):
    config = dump()
    expected = {f"model.{path}": value for path, value in MODEL.items()} | RUN | DATA
    assert {path: at(config, path) for path in expected} == expected


def test_the_model_is_ours_and_has_these_sizes(dump):
    model = instantiate(dump().model)
    shapes = {name: tuple(p.shape) for name, p in model.named_parameters()}
    assert type(model).__module__.startswith("aligndetr.modeling")
    assert shapes["query_source.content.weight"] == (70, 64)
    assert shapes["denoiser.label_embedding.weight"] == (7, 64)
    assert shapes["neck.convs.1.conv.weight"] == (64, 256, 1, 1)
    assert shapes["decoder.layers.1.ffn.linear1.weight"] == (96, 64)
    assert not any(name.startswith("decoder.layers.2.") for name in shapes)
    assert isinstance(model.criterion.matcher.cost.class_cost, FocalCost)
    image = {"image": torch.zeros(3, 64, 96), "height": 64, "width": 96}
    assert len(model.eval()([image])[0]["instances"]) == 300  # of 70 queries x 7 classes


def test_augmentations_and_loaders_are_ours(dump):
    steps = instantiate(dump().dataloader.train.mapper.augmentation)
    assert [type(step) for step in steps] == [T.RandomFlip, T.ResizeShortestEdge]


def test_optimizer_and_schedule_can_be_built(dump):
    config = dump()
    config.optimizer.params.model = torch.nn.ModuleDict(
        {"backbone": torch.nn.Linear(2, 2), "head": torch.nn.Linear(2, 2)}
    )
    rates = [group["lr"] for group in instantiate(config.optimizer).param_groups]
    assert sorted(rates) == pytest.approx([3e-5, 3e-4])
    multiplier = instantiate(config.lr_multiplier)
    # warm-up from 0.01 to 1 over 5 %: half-way (0.01 + 1) / 2; then 1; 0.2 after 70 %
    assert [multiplier(x) for x in (0.025, 0.5, 0.71)] == pytest.approx([0.505, 1.0, 0.2])


def test_one_override_of_a_number_that_several_parts_use(dump):
    overrides = ["model.num_classes=3", "model.num_queries=20", "train.max_iter=5"]
    overrides.append("dataloader.train.total_batch_size=2")
    config = LazyConfig.apply_overrides(dump(), overrides)
    model = instantiate(config.model)
    assert model.denoiser.label_embedding.weight.shape == (3, 64)
    assert model.query_source.content.weight.shape == (20, 64)
    assert at(config, "train.max_iter") == 5
    assert at(config, "dataloader.train.total_batch_size") == 2


def test_what_has_no_counterpart_is_reported(dump, report):
    dump()
    text = report()
    for path in (
        "model.criterion.weight_dict.loss_giou_dn_enc",
        "model.device",
        "train.model_ema.device",
        "train.model_ema.use_ema_weights_for_eval_only",
        "dataloader.train.mapper.mask_on",
    ):
        assert path in text
    for path in ("weight_dict.loss_giou_dn_0", "model.num_classes", "train.max_iter", "wandb"):
        assert path not in text


def test_saved_and_loaded_again_it_is_the_same(dump, tmp_path):
    config = dump()
    LazyConfig.save(config, tmp_path / "config.yaml")
    again = LazyConfig.load(tmp_path / "config.yaml")
    expected = {f"model.{path}": value for path, value in MODEL.items()} | RUN | DATA
    assert {path: at(again, path) for path in expected} == expected
    assert "_target_: det" not in (tmp_path / "config.yaml").read_text()


@pytest.mark.parametrize(
    "tag",
    ["!!python/object/apply:os.system ['true']", "!!python/object:os.path.Evil {a: 1}"],
)
def test_no_object_is_ever_built(tag, tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(DUMP.replace("seed: -1", f"seed: {tag}"))
    with pytest.raises(ConfigError, match="python/object"):
        LazyConfig.load(path)


def test_a_named_function_in_a_dump_is_not_imported(dump, tmp_path, monkeypatch):
    (tmp_path / "evil_lr.py").write_text("raise SystemExit('imported')")
    path = tmp_path / "config.yaml"
    path.write_text(DUMP.replace("None.%3Clambda%3E", "evil_lr.factor"))
    monkeypatch.syspath_prepend(tmp_path)
    assert dump(path).optimizer.params.lr_factor == {"backbone": 0.1}
    assert "evil_lr" not in sys.modules


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("loss_bbox_0: 5.5", "loss_bbox_0: 1.5", "one weight in all layers"),
        ("loss_bbox_0: 5.5,", "", "a loss that is not listed has weight 1"),
        ("match_num: [3, 2, 1]", "match_num: [3, 1]", "match_num has 2 entries, needs 3"),
        ("aux_loss: true", "aux_loss: false", "model.aux_loss is False"),
        ("post_norm: false", "post_norm: true", "encoder.post_norm is True"),
        ("out_channels: 64\n", "out_channels: 32\n", "neck.out_channels is 32"),
        (
            "detectron2.modeling.ResNet\n",
            "detectron2.modeling.RegNet\n",
            "RegNet",
        ),
        ("transforms.RandomFlip}", "transforms.RandomRotation}", "RandomRotation has no count"),
        ("modeling.AlignDETR\n", "modeling.FCOS\n", "FCOS has no counterpart"),
        ("PositionEmbeddingSine,", "PositionEmbeddingLearned,", "PositionEmbeddingLearned"),
        ("focal_loss_cost", "other_cost", "cost_class_type 'other_cost'"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*lr_factor_func")
def test_what_cannot_be_expressed_is_an_error(old, new, message, tmp_path):
    assert old in DUMP
    path = tmp_path / "config.yaml"
    path.write_text(DUMP.replace(old, new))
    with pytest.raises(ConfigError, match=message):
        LazyConfig.load(path)
