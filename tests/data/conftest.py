"""The same drawn images and boxes on disk in five forms, written here by hand."""

import json
import shutil

import pytest

from aligndetr.data.demo_shapes.scene import PLAIN
from aligndetr.data.demo_shapes.splits import Split, write_split

SPLITS = {"train": 12, "val": 4}


def clean(content):
    """Whole pixels inside of the image, ids that every form can count, no crowds."""
    sizes = {image["id"]: (image["width"], image["height"]) for image in content["images"]}
    names = sorted(category["name"] for category in content["categories"])
    old = {category["id"]: category["name"] for category in content["categories"]}
    content["categories"] = [{"id": i, "name": name} for i, name in enumerate(names)]
    kept = []
    for a in content["annotations"]:
        width, height = sizes[a["image_id"]]
        x, y = int(max(a["bbox"][0], 0)), int(max(a["bbox"][1], 0))
        w, h = min(int(a["bbox"][2]), width - x), min(int(a["bbox"][3]), height - y)
        bbox = [x, y, max(w, 1), max(h, 1)]
        kept.append(
            {
                "id": len(kept) + 1,
                "image_id": a["image_id"],
                "category_id": names.index(old[a["category_id"]]),
                "bbox": bbox,
                "area": bbox[2] * bbox[3],
                "iscrowd": 0,
            }
        )
    content["annotations"] = kept
    return content


def write_coco(folder, split, content, images):
    shutil.copytree(images, folder / "images" / split)
    (folder / "annotations").mkdir(exist_ok=True)
    (folder / "annotations" / f"instances_{split}.json").write_text(json.dumps(content))


def rows(content):
    """(image, class name, box) of each annotation."""
    images = {image["id"]: image for image in content["images"]}
    names = {category["id"]: category["name"] for category in content["categories"]}
    for a in content["annotations"]:
        yield images[a["image_id"]], names[a["category_id"]], a["bbox"]


def write_yolo(folder, split, content, images):
    shutil.copytree(images, folder / "images" / split)
    labels = folder / "labels" / split
    labels.mkdir(parents=True)
    names = [category["name"] for category in content["categories"]]
    for image in content["images"]:
        (labels / image["file_name"]).with_suffix(".txt").write_text("")
    for image, name, (x, y, w, h) in rows(content):
        W, H = image["width"], image["height"]
        with open((labels / image["file_name"]).with_suffix(".txt"), "a") as file:
            file.write(
                f"{names.index(name)} {(x + w / 2) / W:.10f} {(y + h / 2) / H:.10f} "
                f"{w / W:.10f} {h / H:.10f}\n"
            )
    (folder / "data.yaml").write_text(
        "train: images/train\nval: images/val\nnc: 6\nnames:\n"
        + "".join(f"- {name}\n" for name in names)
    )


def write_voc(folder, split, content, images):
    shutil.copytree(images, folder / "JPEGImages", dirs_exist_ok=True)
    lists, xml = folder / "ImageSets" / "Main", folder / "Annotations"
    for needed in (lists, xml):
        needed.mkdir(parents=True, exist_ok=True)
    stems = [image["file_name"].removesuffix(".png") for image in content["images"]]
    (lists / f"{split}.txt").write_text("\n".join(stems) + "\n")
    for image in content["images"]:
        objects = "".join(
            f"<object><name>{name}</name><bndbox><xmin>{x + 1}</xmin><ymin>{y + 1}</ymin>"
            f"<xmax>{x + w}</xmax><ymax>{y + h}</ymax></bndbox></object>"
            for host, name, (x, y, w, h) in rows(content)
            if host is image
        )
        size = f"<size><width>{image['width']}</width><height>{image['height']}</height></size>"
        path = xml / image["file_name"].replace(".png", ".xml")
        path.write_text(f"<annotation>{size}{objects}</annotation>")


def write_csv(folder, split, content, images):
    shutil.copytree(images, folder / "images", dirs_exist_ok=True)
    lines = [
        f"{image['file_name']},{x},{y},{x + w},{y + h},{name}"
        for image, name, (x, y, w, h) in rows(content)
    ]
    used = {image["file_name"] for image, _, _ in rows(content)}
    lines += [f"{i['file_name']},,,,," for i in content["images"] if i["file_name"] not in used]
    header = "filename,xmin,ymin,xmax,ymax,class"
    (folder / f"{split}.csv").write_text("\n".join([header, *lines]) + "\n")


def write_jsonl(folder, split, content, images):
    shutil.copytree(images, folder / split)
    with open(folder / split / "metadata.jsonl", "w") as file:
        for image in content["images"]:
            own = [(name, box) for host, name, box in rows(content) if host is image]
            objects = {"bbox": [b for _, b in own], "categories": [name for name, _ in own]}
            file.write(json.dumps({"file_name": image["file_name"], "objects": objects}) + "\n")


WRITERS = {
    "coco": write_coco,
    "yolo": write_yolo,
    "voc": write_voc,
    "csv": write_csv,
    "jsonl": write_jsonl,
}


@pytest.fixture(scope="session")
def drawn(tmp_path_factory):
    """Folder with {train,val}.json and {train,val}/, whole pixels only; val has other names."""
    folder = tmp_path_factory.mktemp("drawn")
    for number, (split, count) in enumerate(SPLITS.items()):
        write_split(folder / "raw" / split, Split(PLAIN, count, 11 + number))
        content = clean(json.loads((folder / "raw" / split / "instances.json").read_text()))
        (folder / split).mkdir()
        for image in content["images"]:
            name = f"{split}_{image['file_name']}"
            shutil.move(
                folder / "raw" / split / "images" / image["file_name"], folder / split / name
            )
            image["file_name"] = name
        if split == "train":  # an image without objects
            last = content["images"][-1]["id"]
            content["annotations"] = [a for a in content["annotations"] if a["image_id"] != last]
        (folder / f"{split}.json").write_text(json.dumps(content))
    return folder


@pytest.fixture
def write_form(drawn, tmp_path):
    """Writes the drawn dataset in a form and returns its folder."""

    def write(form):
        folder = tmp_path / f"my_{form}"
        folder.mkdir()
        for split in SPLITS:
            content = json.loads((drawn / f"{split}.json").read_text())
            WRITERS[form](folder, split, content, drawn / split)
        return folder

    return write
