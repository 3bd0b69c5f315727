#!/usr/bin/env python
"""Make the pictures of the README.

python docs/make_pictures.py dataflow
python docs/make_pictures.py predictions CONFIG --checkpoint model_best.pth
"""

import argparse
from collections import Counter
from pathlib import Path

FOLDER = Path(__file__).parent / "pictures"


def draw_dataflow(args: argparse.Namespace) -> Path:
    """What happens to an image, from pixels to objects and losses."""
    from dataflow import dataflow

    dataflow(FOLDER / "dataflow.png")
    return FOLDER / "dataflow.png"


def draw_predictions(args: argparse.Namespace) -> Path:
    """A sheet of evaluation images with what a trained model finds in them."""
    from aligndetr.commands.arguments import load_config
    from aligndetr.config import instantiate
    from aligndetr.predictor import Predictor, upright_rgb
    from aligndetr.runtime.drawing.picture_file import save_picture
    from aligndetr.visualization import draw_instances
    from aligndetr.visualization.predictions import contact_sheet

    config = load_config(args)
    predictor = Predictor(config, args.checkpoint)
    dataset = instantiate(config.dataloader.test.dataset)
    sizes = Counter(map(tuple, dataset.image_sizes.tolist()))
    usual = sizes.most_common(1)[0][0]  # one size makes a tidy sheet
    indices = [i for i, size in enumerate(dataset.image_sizes.tolist()) if tuple(size) == usual]
    indices.sort(key=lambda i: -len(dataset[i]["annotations"]))
    pictures = []
    for index in indices[:: max(1, len(indices) // 2 // args.count)][: args.count]:
        image = upright_rgb(dataset[index]["file_name"])
        found = predictor(image)
        pictures.append(draw_instances(image, found, predictor.class_names, args.threshold))
    sheet = contact_sheet(pictures, columns=args.columns, cell=(400, 400))
    save_picture(sheet, FOLDER / "predictions.jpg")
    return FOLDER / "predictions.jpg"


def main() -> None:
    """Parse arguments and draw."""
    from aligndetr.commands.arguments import add_config_arguments

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("picture", choices=["dataflow", "predictions"])
    add_config_arguments(parser)
    parser.add_argument("--checkpoint", help="weights for the predictions")
    parser.add_argument("--threshold", type=float, default=0.4, help="default: %(default)s")
    parser.add_argument("--count", type=int, default=8, help="images (default: %(default)s)")
    parser.add_argument("--columns", type=int, default=4, help="images in a row")
    args = parser.parse_intermixed_args()
    draw = draw_dataflow if args.picture == "dataflow" else draw_predictions
    print(draw(args))


if __name__ == "__main__":
    main()
