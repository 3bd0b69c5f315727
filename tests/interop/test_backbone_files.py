"""Classifier weights into backbones, compared by what the networks compute."""

import pickle

import pytest
import torch
from torch import nn

from aligndetr.errors import CheckpointError
from aligndetr.interop import load_checkpoint
from aligndetr.interop.sources.source import IMAGENET_MEAN, IMAGENET_STD
from aligndetr.modeling.backbone import ResNet

BLOCKS = {18: (2, 2, 2, 2), 50: (3, 4, 6, 3)}
FEATURES = ("res2", "res3", "res4", "res5")


class ClassifierBlock(nn.Module):
    """A residual block with the parameter names that torchvision publishes."""

    def __init__(self, inputs, inner, outputs, stride):
        super().__init__()
        kernels = [3, 3] if inner == outputs else [1, 3, 1]
        widths = [inputs, *[inner] * (len(kernels) - 1), outputs]
        strided = kernels.index(3)
        for i, kernel in enumerate(kernels):
            step = stride if i == strided else 1
            conv = nn.Conv2d(widths[i], widths[i + 1], kernel, step, kernel // 2, bias=False)
            self.add_module(f"conv{i + 1}", conv)
            self.add_module(f"bn{i + 1}", nn.BatchNorm2d(widths[i + 1]))
        self.depth = len(kernels)
        self.downsample = None
        if inputs != outputs:
            conv = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.downsample = nn.Sequential(conv, nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = x
        for i in range(1, self.depth + 1):
            y = getattr(self, f"bn{i}")(getattr(self, f"conv{i}")(y))
            y = y.relu() if i < self.depth else y
        return (y + (x if self.downsample is None else self.downsample(x))).relu()


class Classifier(nn.Module):
    """A narrow ResNet under torchvision's parameter names."""

    def __init__(self, depth, width=8):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        expansion, inputs = (1 if depth == 18 else 4), width
        for i, blocks in enumerate(BLOCKS[depth]):
            inner, stage = width * 2**i, []
            for block in range(blocks):
                stride = 2 if block == 0 and i else 1
                stage.append(ClassifierBlock(inputs, inner, inner * expansion, stride))
                inputs = inner * expansion
            self.add_module(f"layer{i + 1}", nn.Sequential(*stage))
        self.fc = nn.Linear(inputs, 10)

    def forward(self, x):
        x = nn.functional.max_pool2d(self.bn1(self.conv1(x)).relu(), 3, 2, 1)
        outputs = []
        for i in range(1, 5):
            x = getattr(self, f"layer{i}")(x)
            outputs.append(x)
        return outputs


def make_classifier(depth):
    torch.manual_seed(depth)
    model = Classifier(depth).double().eval()
    for name, value in model.state_dict().items():
        if "running" in name or "bn" in name or "downsample.1" in name:
            value.uniform_(0.5, 1.5) if value.is_floating_point() else None
    return model


@pytest.mark.parametrize("depth", [18, 50])
def test_torchvision(depth, tmp_path):
    classifier = make_classifier(depth)
    torch.save(classifier.state_dict(), tmp_path / "r.pth")
    backbone = ResNet(depth, width=8, out_features=FEATURES).double()
    report = load_checkpoint(backbone, tmp_path / "r.pth", strict=True)
    assert report.source == "torchvision ResNet"
    assert "2 tensors that a detector does not need" in report.notes
    images = torch.randn(1, 3, 64, 64, dtype=torch.float64)
    for ours, theirs in zip(backbone(images).values(), classifier(images), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


def write_detectron2_pickle(backbone, path):
    """The layout of detectron2's R-50.pkl: arrays under detectron2's names, and a fc layer."""
    arrays = {name: value.numpy() for name, value in backbone.state_dict().items()}
    arrays["stem.fc.weight"] = torch.zeros(4, 4).numpy()
    content = {"model": arrays, "__author__": "torchvision", "matching_heuristics": True}
    path.write_bytes(pickle.dumps(content))
    return path


def test_detectron2_pickle_into_a_detector(tiny, make_tiny, tmp_path):
    path = write_detectron2_pickle(tiny.backbone, tmp_path / "R-18.pkl")
    model = make_tiny()
    rest = {k: v.clone() for k, v in model.state_dict().items() if not k.startswith("backbone.")}
    report = load_checkpoint(model, path, strict=True)
    for name, value in model.state_dict().items():
        expected = tiny.state_dict()[name] if name.startswith("backbone.") else rest[name]
        assert torch.equal(value, expected), name
    assert report.source == "detectron2 ResNet"
    assert all(name.startswith("backbone.") for name in report.loaded)


def test_a_backbone_of_another_depth_is_refused(make_tiny, tmp_path):
    torch.save(make_classifier(50).state_dict(), tmp_path / "r50.pth")
    with pytest.raises(CheckpointError, match=r"blocks in res4: 6 in the checkpoint, 2 in"):
        load_checkpoint(make_tiny(), tmp_path / "r50.pth")


def test_reduction_in_the_other_convolution_is_refused(tmp_path):
    torch.save(make_classifier(50).state_dict(), tmp_path / "r50.pth")
    model = ResNet(50, width=8, stride_in_1x1=True)
    with pytest.raises(CheckpointError, match=r"stride_in_1x1: the checkpoint was trained with F"):
        load_checkpoint(model, tmp_path / "r50.pth")


def caffe2_names(state):
    """The MSRA layout: names of Caffe2, norms folded to scale and shift."""
    parts = {"conv1": "branch2a", "conv2": "branch2b", "conv3": "branch2c", "shortcut": "branch1"}
    renamed = {}
    for name, value in state.items():
        stage, *middle, kind = name.split(".")
        if stage == "stem":
            prefix, norm = "conv1", "res_conv1"
        else:
            prefix = norm = f"{stage}_{middle[0]}_{parts[middle[1]]}"
        if "norm" not in middle:
            renamed[f"{prefix}_w"] = value.numpy()
        elif kind in ("weight", "bias"):
            renamed[f"{norm}_bn_{'s' if kind == 'weight' else 'b'}"] = value.numpy()
    return renamed


class Whole(nn.Module):
    """The parts of a detector that the first layers' input depends on."""

    def __init__(self, mean, std, **arguments):
        super().__init__()
        self.backbone = ResNet(50, width=8, out_features=FEATURES, **arguments).double()
        self.register_buffer("pixel_mean", torch.tensor(mean)[:, None, None], persistent=False)
        self.register_buffer("pixel_std", torch.tensor(std)[:, None, None], persistent=False)

    def forward(self, image):
        return self.backbone(((image - self.pixel_mean) / self.pixel_std)[None].double())


def test_msra_weights_see_bgr_images_without_scaling(tmp_path):
    torch.manual_seed(0)
    caffe = Whole(IMAGENET_MEAN[::-1], (1.0, 1.0, 1.0), stride_in_1x1=True)
    for name, value in caffe.backbone.state_dict().items():
        if name.endswith(("norm.weight", "norm.bias")):
            value.uniform_(0.5, 1.0)
        if name.endswith("running_var"):
            value.fill_(1.0 - 1e-5)  # with the eps 1: the norm is the scale and shift alone
    file = tmp_path / "R-50.pkl"
    file.write_bytes(pickle.dumps({"blobs": caffe2_names(caffe.backbone.state_dict())}))
    image = torch.rand(3, 64, 64) * 255
    for mean, std, expected_input in (
        (IMAGENET_MEAN, IMAGENET_STD, image.flip(0)),  # an RGB model: the caffe one needs BGR
        (IMAGENET_MEAN[::-1], (1.0, 1.0, 1.0), image),
    ):
        model = Whole(mean, std, stride_in_1x1=True)
        report = load_checkpoint(model, file, strict=True)
        assert any("BGR to RGB" in note for note in report.notes) == (mean == IMAGENET_MEAN)
        ours, theirs = model(image), caffe(expected_input)
        for name in FEATURES:
            # Pixels are normalised in float32: 255 * 2**-24 = 1.5e-5 on inputs of about 100.
            torch.testing.assert_close(ours[name], theirs[name], rtol=1e-5, atol=1e-5)


def test_another_pixel_mean_is_refused(tmp_path):
    torch.save(make_classifier(50).state_dict(), tmp_path / "r50.pth")
    with pytest.raises(CheckpointError, match=r"pixel_mean: the checkpoint was trained with \(123"):
        load_checkpoint(Whole((0.0, 0.0, 0.0), IMAGENET_STD), tmp_path / "r50.pth")
