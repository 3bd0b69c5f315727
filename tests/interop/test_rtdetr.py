"""RT-DETR against transformers: forward values, and conversion there and back."""

import pytest
import torch

from aligndetr.config import LazyConfig, instantiate
from aligndetr.config.find_file import resolve_config
from aligndetr.interop import convert_checkpoint, load_checkpoint
from aligndetr.interop.raw_checkpoint import RawCheckpoint
from aligndetr.interop.renaming import export_names, export_state, identify, import_state
from aligndetr.interop.sources import huggingface_rtdetr, lyuwenyu_rtdetr
from aligndetr.structures import ImageBatch

CLASSES, QUERIES, LAYERS = 5, 20, 3


def randomised(model):
    """Every tensor random, variances positive."""
    generator = torch.Generator().manual_seed(0)
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point():
            noise = torch.randn(tensor.shape, generator=generator)
            is_scale = tensor.dim() == 1 and name.endswith(("weight", "running_var"))
            fan_in = tensor[0].numel() if tensor.dim() > 1 else 16
            tensor.copy_(noise.abs() / 2 + 0.7 if is_scale else noise / fan_in**0.5)
    return model


def theirs(depth, expansion):
    """A random RT-DETR of transformers, and its configuration."""
    transformers = pytest.importorskip("transformers")
    wide = 4 if depth == 50 else 1
    widths = [8 * wide * 2**stage for stage in range(4)]
    backbone = transformers.RTDetrResNetConfig(
        embedding_size=8,
        hidden_sizes=widths,
        depths=[3, 4, 6, 3] if depth == 50 else [2, 2, 2, 2],
        layer_type="bottleneck" if depth == 50 else "basic",
        out_features=["stage2", "stage3", "stage4"],
    )
    config = transformers.RTDetrConfig(
        backbone_config=backbone,
        num_labels=CLASSES,
        d_model=16,
        encoder_hidden_dim=16,
        encoder_in_channels=widths[1:],
        decoder_in_channels=[16, 16, 16],
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        decoder_layers=LAYERS,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        num_queries=QUERIES,
        hidden_expansion=expansion,
    )
    return randomised(transformers.RTDetrForObjectDetection(config)).eval(), config


def ours(depth, expansion):
    config = LazyConfig.load(resolve_config("configs/models/rtdetr_tiny.py"))
    model = config.model
    model.num_classes, model.num_queries, model.embed_dim = CLASSES, QUERIES, 16
    model.backbone.depth, model.backbone.width, model.backbone.norm = depth, 8, "FrozenBN"
    wide = 4 if depth == 50 else 1
    model.neck.in_channels = {f"res{i}": 8 * wide * 2 ** (i - 2) for i in (3, 4, 5)}
    model.encoder.expansion = expansion
    model.encoder.position_embedding.num_features = 8
    model.encoder.layer.self_attention.num_heads = 2
    model.encoder.layer.ffn.feedforward_dim = 32
    model.decoder.num_layers = LAYERS
    model.decoder.layer.self_attention.num_heads = 2
    model.decoder.layer.cross_attention.num_heads = 2
    model.decoder.layer.ffn.feedforward_dim = 32
    return instantiate(model).eval()


@pytest.mark.parametrize("depth, expansion", [(18, 0.5), (50, 1.0)])
def test_forward_values(depth, expansion, tmp_path):
    reference, _ = theirs(depth, expansion)
    torch.save(reference.state_dict(), tmp_path / "theirs.pth")
    model = ours(depth, expansion)
    report = load_checkpoint(model, tmp_path / "theirs.pth", strict=True)
    assert report.source == "Hugging Face RT-DETR"
    reference, model = reference.double(), model.double()
    pixels = torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(1)).double()
    images = ImageBatch(pixels, torch.zeros(2, 64, 96, dtype=torch.bool), [(64, 96)] * 2)
    with torch.no_grad():
        expected = reference(pixels)
        output = model.detect(images)
        predictions, proposals = output.predictions, output.proposals
    logits, boxes = expected.intermediate_logits, expected.intermediate_reference_points
    torch.testing.assert_close(predictions.logits, logits.transpose(0, 1))
    torch.testing.assert_close(predictions.boxes, boxes.transpose(0, 1))
    moved = (predictions.boxes[1:] - predictions.boxes[:-1]).abs()
    assert moved.amax((1, 2, 3)).min() > 0.01  # every layer does something
    start = expected.init_reference_points.sigmoid()
    torch.testing.assert_close(proposals.boxes[0], start)


def test_the_detector_scales_pixels_to_one(tmp_path):
    """From bytes to boxes in pixels, as transformers' own processor has it."""
    from transformers import RTDetrImageProcessor

    reference, _ = theirs(18, 0.5)
    torch.save(reference.state_dict(), tmp_path / "theirs.pth")
    model = ours(18, 0.5)
    load_checkpoint(model, tmp_path / "theirs.pth", strict=True)
    image = torch.randint(0, 256, (3, 64, 64), generator=torch.Generator().manual_seed(2)).byte()
    with torch.no_grad():
        (found,) = model([{"image": image, "height": 100, "width": 200}])
        outputs = reference(image[None] / 255)
    processor = RTDetrImageProcessor()
    sizes = torch.tensor([[100, 200]])
    (expected,) = processor.post_process_object_detection(outputs, 0.0, sizes)
    best = found["instances"].scores[0]
    torch.testing.assert_close(best, expected["scores"].max(), rtol=1e-5, atol=1e-6)
    box = expected["boxes"][expected["scores"].argmax()]
    box = torch.minimum(box.clamp(min=0), torch.tensor([200.0, 100.0, 200.0, 100.0]))
    torch.testing.assert_close(found["instances"].pred_boxes.tensor[0], box, rtol=1e-4, atol=1e-3)


def test_there_and_back_through_transformers(tmp_path):
    """Our weights in a folder that `from_pretrained` reads, and its weights back in ours."""
    reference, config = theirs(18, 0.5)
    model = randomised(ours(18, 0.5))
    torch.save({"model": model.state_dict()}, tmp_path / "ours.pth")
    convert_checkpoint(
        tmp_path / "ours.pth", tmp_path / "pytorch_model.bin", "huggingface-rtdetr", model
    )
    state = torch.load(tmp_path / "pytorch_model.bin", weights_only=True)["model"]
    loaded, info = type(reference).from_pretrained(
        None, config=config, state_dict=state, output_loading_info=True
    )
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    assert not info["mismatched_keys"]
    back = ours(18, 0.5)
    torch.save(loaded.state_dict(), tmp_path / "back.pth")
    load_checkpoint(back, tmp_path / "back.pth", strict=True)
    torch.testing.assert_close(back.state_dict(), model.state_dict(), rtol=0, atol=0)


def test_names_of_the_authors_repository():
    model = ours(50, 0.5)
    state = export_state(model.state_dict(), lyuwenyu_rtdetr.SOURCE)
    expected = {  # the public names
        "backbone.conv1.conv1_3.norm.running_mean",
        "backbone.res_layers.0.blocks.0.short.conv.weight",
        "backbone.res_layers.2.blocks.0.short.conv.conv.weight",
        "backbone.res_layers.3.blocks.2.branch2c.norm.bias",
        "encoder.input_proj.1.0.weight",
        "encoder.input_proj.1.1.running_var",
        "encoder.encoder.0.layers.0.self_attn.in_proj_weight",
        "encoder.encoder.0.layers.0.linear2.bias",
        "encoder.lateral_convs.1.conv.weight",
        "encoder.fpn_blocks.0.bottlenecks.2.conv2.norm.weight",
        "encoder.pan_blocks.1.conv3.conv.weight",
        "decoder.input_proj.2.norm.bias",
        "decoder.decoder.layers.1.cross_attn.sampling_offsets.weight",
        "decoder.decoder.layers.2.norm3.weight",
        "decoder.query_pos_head.layers.1.weight",
        "decoder.enc_output.1.weight",
        "decoder.enc_bbox_head.layers.2.bias",
        "decoder.dec_score_head.2.weight",
        "decoder.dec_bbox_head.0.layers.1.weight",
    }
    assert expected <= set(state)
    labels = state["decoder.denoising_class_embed.weight"]
    assert labels.shape == (CLASSES + 1, 16)
    assert not labels[-1].any()
    source = identify(RawCheckpoint("x", state))
    assert source is lyuwenyu_rtdetr.SOURCE
    imported = import_state(state, source)
    assert not imported.unknown
    torch.testing.assert_close(imported.tensors, dict(model.state_dict()), rtol=0, atol=0)


def test_backbone_of_the_authors_repository(tmp_path):
    """A classifier's file fills the backbone, whatever the pixel statistics."""
    model = randomised(ours(50, 1.0))
    names = export_names(model.state_dict(), lyuwenyu_rtdetr.SOURCE)
    backbone = {
        names[name].removeprefix("backbone."): value
        for name, value in model.state_dict().items()
        if name.startswith("backbone.")
    }
    torch.save(backbone, tmp_path / "vd.pth")
    other = ours(50, 1.0)
    report = load_checkpoint(other, tmp_path / "vd.pth")
    assert not report.missing
    assert not report.unexpected
    torch.testing.assert_close(
        other.backbone.state_dict(), model.backbone.state_dict(), rtol=0, atol=0
    )


def test_files_of_older_versions():
    """Heads at the top level, `fc1`, `out_proj` and `encoder.encoder`."""
    state, _ = theirs(18, 0.5)
    new = state.state_dict()
    old = {}
    for name, value in new.items():
        name = name.replace("o_proj", "out_proj").replace(".mlp.fc", ".fc")
        name = name.replace("encoder.aifi.", "encoder.encoder.")
        old[name.replace("model.decoder.class_embed", "class_embed")] = value
    first = import_state(new, huggingface_rtdetr.SOURCE)
    second = import_state(old, huggingface_rtdetr.SOURCE)
    assert not first.unknown
    assert not second.unknown
    torch.testing.assert_close(second.tensors, first.tensors, rtol=0, atol=0)
