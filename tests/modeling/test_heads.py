"""Heads, and the number of classes that they and the denoiser must know."""

import pytest
from torch import nn

from aligndetr.config import LazyConfig, instantiate
from aligndetr.config.find_file import resolve_config
from aligndetr.errors import ConfigError
from aligndetr.modeling import ClassHead, ContrastiveDenoiser, Detector, NoObjectClassHead

UNKNOWN = r"^model\.num_classes is null: give .*model\.num_classes=80.*`aligndetr train`.*dataset"


@pytest.mark.parametrize("name", ["detr_tiny", "dino_tiny", "rtdetr_tiny"])
def test_a_model_without_a_number_of_classes_says_what_to_give(name):
    config = LazyConfig.load(resolve_config(f"configs/models/{name}.py"))
    with pytest.raises(ConfigError, match=UNKNOWN):
        instantiate(config.model)


def test_every_part_that_counts_classes_says_so():
    with pytest.raises(ConfigError, match=UNKNOWN):
        ClassHead(embed_dim=8, num_classes=None)
    with pytest.raises(ConfigError, match=UNKNOWN):
        NoObjectClassHead(embed_dim=8, num_classes=None)
    with pytest.raises(ConfigError, match=UNKNOWN):
        ContrastiveDenoiser(num_classes=None, embed_dim=8)
    parts = ("backbone", "neck", "pyramid", "encoder", "query_source", "decoder", "criterion")
    with pytest.raises(ConfigError, match=UNKNOWN):  # with heads that are not ours
        Detector(
            **{part: nn.Identity() for part in parts},
            postprocess=None,
            num_classes=None,
            num_queries=3,
            embed_dim=8,
        )
