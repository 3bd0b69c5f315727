"""What a training on many GPUs moves and keeps, for docs/scaling.md.

python docs/make_scaling_table.py --gpus 64 --images 10e6
"""

from __future__ import annotations

import argparse

from aligndetr.config import LazyConfig, instantiate
from aligndetr.config.find_file import resolve_config

FLOAT, MB, GB, TB, HOUR = 4, 1e6, 1e9, 1e12, 3600


def parameters(name: str, num_classes: int) -> tuple[int, int]:
    """(all, trained) numbers of a config's model."""
    config = LazyConfig.load(resolve_config(name))
    LazyConfig.apply_overrides(config, [f"model.num_classes={num_classes}"])
    model = instantiate(config.model)
    every = list(model.parameters())
    buffers = sum(buffer.numel() for buffer in model.buffers())
    return sum(p.numel() for p in every) + buffers, sum(p.numel() for p in every if p.requires_grad)


def rows(args: argparse.Namespace) -> list[tuple[str, str, str]]:
    """(what, arithmetic, figure)."""
    return [*_steps(args), *_data(args), *_exchange(args)]


def _steps(args: argparse.Namespace) -> list[tuple[str, str, str]]:
    batch = args.gpus * args.images_per_gpu
    steps = args.epochs * args.images / batch
    hours = steps * args.step / HOUR
    return [
        ("batch of a step", f"{args.gpus} x {args.images_per_gpu}", f"{batch} images"),
        ("steps", f"{args.epochs} x {args.images:.3g} / {batch}", f"{steps:.0f}"),
        ("time of the training", f"{steps:.0f} x {args.step:g} s", f"{hours:.0f} h"),
    ]


def _data(args: argparse.Namespace) -> list[tuple[str, str, str]]:
    own = args.images_per_gpu / args.step
    rate, cores = own * args.gpus, own / args.images_per_core
    file, size = f"{args.kilobytes:g} kB", args.kilobytes * 1e3
    pixels, bytes_ = f"{args.megapixels:g} Mpx x 3 B", args.megapixels * 1e6 * 3
    records = args.images * args.record
    return [
        ("images a second", f"{args.gpus} x {own:g}", f"{rate:.0f}"),
        ("dataset", f"{args.images:.3g} x {file}", f"{args.images * size / TB:.1f} TB"),
        ("read a second", f"{rate:.0f} x {file}", f"{rate * size / MB:.0f} MB"),
        ("cores that decode", f"{own:g} / {args.images_per_core:g}", f"{cores:.1f} a GPU"),
        ("to each GPU a second", f"{own:g} x {pixels}", f"{own * bytes_ / MB:.0f} MB"),
        (
            "annotations in each process",
            f"{args.images:.3g} x {args.record:g} B",
            f"{records / GB:.1f} GB",
        ),
    ]


def _exchange(args: argparse.Namespace) -> list[tuple[str, str, str]]:
    every, trained = parameters(args.config, args.classes)
    gradients = trained * FLOAT
    sent = 2 * (args.gpus - 1) / args.gpus * gradients
    checkpoint = (2 * every + 2 * trained) * FLOAT
    rounds = f"2 x {args.gpus - 1}/{args.gpus} x {gradients / MB:.0f} MB"
    second = sent / args.step / GB
    return [
        ("parameters that train", f"{args.config}", f"{trained / MB:.1f} M"),
        ("gradients", f"{trained / MB:.1f} M x {FLOAT} B", f"{gradients / MB:.0f} MB"),
        ("sent by each GPU a step", rounds, f"{sent / MB:.0f} MB"),
        ("sent by each GPU a second", f"{sent / MB:.0f} MB / {args.step:g} s", f"{second:.2f} GB"),
        ("the same in bfloat16", "half of it", f"{second / 2:.2f} GB"),
        ("checkpoint", "(weights, average, 2 moments) x 4 B", f"{checkpoint / MB:.0f} MB"),
        ("written in", f"at {args.disk:g} MB/s", f"{checkpoint / MB / args.disk:.1f} s"),
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--config", default="aligndetr_k2_r50_4scale_12ep")
    add("--classes", type=int, default=80)
    add("--gpus", type=int, default=64)
    add("--images", type=float, default=10e6)
    add("--epochs", type=int, default=12)
    add("--images-per-gpu", type=int, default=4)
    add("--step", type=float, default=0.5, help="seconds; measure it: `aligndetr plan`")
    add("--images-per-core", type=float, default=25, help="decoded, resized a second")
    add("--kilobytes", type=float, default=160, help="of an image file")
    add("--megapixels", type=float, default=1.1, help="of an image for the model, padded")
    add("--record", type=float, default=650, help="bytes of an image's annotations in memory")
    add("--disk", type=float, default=500, help="MB/s")
    print("| what | from | figure |\n|---|---|---|")
    for what, source, figure in rows(parser.parse_args()):
        print(f"| {what} | {source} | {figure} |")


if __name__ == "__main__":
    main()
