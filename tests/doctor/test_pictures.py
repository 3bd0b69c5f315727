import numpy as np
from PIL import Image

from aligndetr.data.formats import Source, read
from aligndetr.doctor import draw_pictures
from aligndetr.runtime.drawing.palette import class_color


def boxes(image, *shapes):
    return [{"image_id": image, "category_id": 3, "bbox": [5, 5, w, h]} for w, h in shapes]


def test_pictures_show_classes_and_images(coco_folder, tmp_path):
    path, folder = coco_folder([(i, (60, 80)) for i in (1, 2, 3)], boxes(1, (40, 20), (9, 9)))
    (folder / "2.png").unlink()
    written = draw_pictures(read(Source(path, folder)), "kitchen/train", tmp_path / "out")
    assert [p.name for p in written] == ["kitchen_train_boxes.png", "kitchen_train_images.png"]
    sheet = np.asarray(Image.open(written[1]).convert("RGB"))
    assert sheet.shape == (320 + 6, 4 * 326, 3)  # the missing image has a square
    assert (sheet[200, 326 + 160] == (0xE4, 0xE7, 0xEB)).all()
    chart = np.asarray(Image.open(written[0]).convert("RGB")).reshape(-1, 3)
    car = class_color(1)  # the ids are 1, 3, 17
    assert (chart == car).all(axis=1).sum() > 1000


def test_a_dataset_without_boxes_has_pictures_too(coco_folder, tmp_path):
    path, folder = coco_folder([(1, (60, 80))], [])
    for picture in draw_pictures(read(Source(path, folder)), "empty", tmp_path):
        Image.open(picture).verify()
