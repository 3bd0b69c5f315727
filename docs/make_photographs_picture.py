#!/usr/bin/env python
"""Make the picture of docs/first_detector.md: what a finished training drew when it ended.

python docs/make_photographs_picture.py output/study/photographs/align-k2/seed0
"""

import argparse
from pathlib import Path

from PIL import Image

from aligndetr.runtime.drawing.picture_file import save_picture
from aligndetr.visualization.predictions import contact_sheet

FILE = Path(__file__).parent / "pictures" / "photographs.jpg"
SHOWN = 4


def main() -> None:
    """Some images of the run on one sheet, scaled down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="its output folder")
    drawn = sorted((parser.parse_args().run / "pictures").glob("image_*.png"))
    pictures = [Image.open(path) for path in drawn[:SHOWN]]
    save_picture(contact_sheet(pictures, columns=2, cell=(780, 320)), FILE)
    print(FILE)


if __name__ == "__main__":
    main()
