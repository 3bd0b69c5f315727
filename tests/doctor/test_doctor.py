import argparse
import json
import os

import numpy as np
import pytest
from PIL import Image

from aligndetr.commands import doctor as command
from aligndetr.data import register_coco_instances
from aligndetr.data.formats import Source
from aligndetr.doctor import compare_classes, examine, find_leaks, format_report
from aligndetr.doctor.findings import Report
from aligndetr.errors import UserError

IMAGES = [(i, (30, 40)) for i in range(1, 7)]
CLASSES = [(1, "person"), (3, "car")]


def box(image, numbers, category=1, **more):
    return {"image_id": image, "category_id": category, "bbox": numbers, **more}


GOOD = [box(i, [i, 2, 8, 9], 1 if i % 2 else 3) for i in range(1, 7)]


@pytest.fixture
def dataset(coco_folder):
    """Writes the good dataset with further annotations, then lets `change` edit the content."""

    def write(annotations=(), change=None, categories=CLASSES):
        path, folder = coco_folder(IMAGES, [*GOOD, *annotations], categories)
        content = json.loads(path.read_text())
        if change is not None:
            change(content)
        path.write_text(json.dumps(content))
        return path, folder

    return write


def findings(paths, **options):
    report = examine("test", Source(*paths), **options)
    return {(finding.level, finding.title): finding.examples for finding in report.findings}


def the_one(found, level, words):
    """Examples of the only finding there is."""
    ((key, examples),) = found.items()
    assert key[0] == level
    assert words in key[1]
    return examples


def test_a_good_dataset_has_no_findings(dataset):
    assert findings(dataset(), num_queries=10) == {}


def test_missing_and_unreadable_images(dataset):
    path, folder = dataset()
    (folder / "2.png").unlink()
    cut = (folder / "3.png").read_bytes()
    (folder / "3.png").write_bytes(cut[: len(cut) // 2])
    (folder / "4.png").write_text("text")
    found = findings((path, folder))
    assert found["error", "images are missing"] == ["2.png"]
    broken = found["error", "images cannot be read"]
    assert [line.partition(":")[0] for line in broken] == ["3.png", "4.png"]
    # Reading headers only does not see that 3.png is cut.
    quick = findings((path, folder), decode_images=False)
    assert [s.partition(":")[0] for s in quick["error", "images cannot be read"]] == ["4.png"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
@pytest.mark.parametrize("decode_images", [True, False])
def test_what_is_no_image_file(dataset, decode_images):
    path, folder = dataset()
    for name in ("2.png", "3.png"):
        (folder / name).unlink()
    os.mkfifo(folder / "2.png")
    (folder / "3.png").mkdir()
    lines = the_one(findings((path, folder), decode_images=decode_images), "error", "cannot be")
    assert [line.split(": ")[0] for line in lines] == ["2.png", "3.png"]
    assert all(line.endswith("not a regular file") for line in lines)


@pytest.mark.parametrize("decode_images", [True, False])
def test_wrong_sizes_but_not_rotated_ones(dataset, decode_images):
    path, folder = dataset()
    Image.new("RGB", (20, 20)).save(folder / "5.png")
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise: 30 wide and 40 high becomes 40 wide and 30 high
    Image.new("RGB", (30, 40)).save(folder / "6.png", exif=exif)
    examples = the_one(
        findings((path, folder), decode_images=decode_images), "error", "another size"
    )
    assert len(examples) == 1
    assert "5.png" in examples[0]
    assert "20x20" in examples[0]


@pytest.mark.parametrize(
    ("numbers", "level", "words"),
    [
        ([1, 1, 0, 5], "warning", "zero width or height"),
        ([1, 1, 5, -5], "error", "negative width or height"),
        ([40, 1, 5, 5], "error", "outside of their image"),
        ([-9, 1, 9, 5], "error", "outside of their image"),
        ([35, 1, 6.5, 5], "warning", "over the image's edge"),
        ([2, 2, 8, 9], "warning", "annotated twice"),
    ],
)
def test_bad_boxes(dataset, numbers, level, words):
    examples = the_one(findings(dataset([box(2, numbers, 3)])), level, words)
    assert len(examples) == 1
    assert examples[0].startswith("annotation 7: [")
    assert examples[0].endswith("in 2.png (40x30)")


def test_a_pixel_of_rounding_at_the_edge_is_fine(dataset):
    assert findings(dataset([box(2, [35, 20, 6, 11])])) == {}  # reaches 41 of 40, 31 of 30


def test_references_to_nothing(dataset):
    examples = the_one(
        findings(dataset([box(77, [1, 1, 5, 5])])), "error", "refer to images that are not"
    )
    assert examples == ["annotation 7: image id 77"]
    examples = the_one(
        findings(dataset([box(2, [1, 1, 5, 5], 9)])), "error", "refer to categories that are not"
    )
    assert examples == ["annotation 7: category id 9"]


def test_repeated_ids_names_and_files(dataset):
    found = findings(dataset([box(2, [1, 1, 5, 5], id=3)]))
    assert the_one(found, "error", "annotation ids are not unique") == ["id 3: 2 times"]
    found = findings(dataset(change=lambda c: c["images"][1].update(id=1)))
    assert found["error", "image ids are not unique"] == ["id 1: 2 times"]
    found = findings(dataset(categories=[*CLASSES, (3, "cat")]))
    assert found["error", "category ids are not unique"] == ["id 3: 2 times"]
    found = findings(dataset([box(2, [1, 1, 5, 5], 8)], categories=[*CLASSES, (8, "car")]))
    assert the_one(found, "warning", "class names") == ["car: 2 times"]
    found = findings(dataset(change=lambda c: c["images"][1].update(file_name="1.png")))
    assert found["warning", "files are listed more than once"] == ["1.png: 2 times"]


def test_unused_classes_and_images_without_objects(dataset):
    found = findings(dataset(categories=[*CLASSES, (9, "cat")]))
    assert the_one(found, "warning", "classes have no box") == ["cat (id 9)"]

    def empty_two_and_crowd_four(content):
        kept = [a for a in content["annotations"] if a["image_id"] != 2]
        for annotation in kept:
            annotation["iscrowd"] = int(annotation["image_id"] == 4)
        content["annotations"] = kept

    found = findings(dataset(change=empty_two_and_crowd_four))
    assert [examples for _, examples in sorted(found.items())] == [["2.png"], ["4.png"]]
    assert all(level == "warning" for level, _ in found)


def test_a_class_of_crowds_only_has_no_box(dataset):
    crowd = box(2, [1, 1, 5, 5], 9, iscrowd=1)
    found = findings(dataset([crowd], categories=[*CLASSES, (9, "cat")]))
    assert the_one(found, "warning", "classes have no box") == ["cat (id 9)"]


@pytest.mark.parametrize(("crowds", "split"), [(0, None), (2, "val"), (0, "test")])
def test_a_split_without_any_object(dataset, crowds, split):
    def strip(content):
        content["annotations"] = [{**a, "iscrowd": 1} for a in content["annotations"][:crowds]]

    report = examine("test", Source(*dataset(change=strip), split=split))
    errors = [finding for finding in report.findings if finding.level == "error"]
    if split == "test":  # labels of a test split are often kept back
        assert not errors
    else:
        (error,) = errors
        assert "has no boxes to learn from or to judge by" in error.title
        assert error.examples == [f"6 images, such as 1.png, and {crowds} crowds"]


def test_duplicate_pixels_within_and_between_datasets(dataset, tmp_path):
    path, folder = dataset()
    # The same pixels in another file: other compression, other bytes.
    with Image.open(folder / "1.png") as image:
        image.save(folder / "6.png", compress_level=1)
    assert (folder / "1.png").read_bytes() != (folder / "6.png").read_bytes()
    first = examine("train", Source(path, folder))
    assert [f.examples for f in first.findings] == [["1.png = 6.png"]]
    other = tmp_path / "other"
    other.mkdir()
    for number in range(1, 7):
        Image.fromarray(np.full((30, 40, 3), number, dtype=np.uint8)).save(other / f"{number}.png")
    second = examine("val", Source(path, other))
    assert find_leaks([first, second]) == []
    (other / "5.png").write_bytes((folder / "3.png").read_bytes())
    (leak,) = find_leaks([first, examine("val", Source(path, other))])
    assert leak.title == "images are in both train and val; leave those of train out"
    assert leak.examples == ["3.png = 5.png"]


def test_boxes_against_queries(dataset):
    paths = dataset([box(2, [i, 1, 5, 5]) for i in range(9)])  # ten boxes in image 2
    assert findings(paths, num_queries=20) == {}
    enough = "model.num_queries=20 is enough for all images"
    found = findings(paths, num_queries=19)
    assert the_one(found, "warning", f"fewer queries a box there; {enough}") == ["2.png: 10 boxes"]
    found = findings(paths, num_queries=9)
    title = f"more boxes than the model has queries (9); {enough}"
    assert the_one(found, "error", title) == ["2.png: 10 boxes"]


def test_queries_that_are_enough_are_enough_for_all_copies(dataset):
    paths = dataset([box(2, [i, 1, 5, 5]) for i in range(9)])  # ten boxes in image 2
    found = findings(paths, num_queries=9, match_num=[3, 2, 1])
    titles = dict(found.keys())
    assert titles["error"].endswith("; model.num_queries=60 is enough for all images")  # 2 * 3 * 10
    assert "model.num_queries=60 keeps k = 3 in all images" in titles["warning"]
    assert findings(paths, num_queries=60, match_num=[3, 2, 1]) == {}


def test_files_that_cannot_be_examined(dataset, tmp_path):
    broken = tmp_path / "broken.json"
    broken.write_text("{")
    (line,) = the_one(findings((broken, tmp_path)), "error", "annotation file cannot be used")
    assert "line 1, column 2" in line
    path, _ = dataset()
    found = findings((path, tmp_path / "nowhere"))
    assert the_one(found, "error", "image folder does not exist") == [str(tmp_path / "nowhere")]


def test_every_entry_that_cannot_be_used_is_listed(dataset):
    def spoil(content):
        content["images"][1]["height"] = float("nan")
        content["images"][3]["file_name"] = "\ud800.png"
        content["images"][4]["id"] = True

    lines = the_one(findings(dataset(change=spoil)), "error", "entries of the annotation file")
    assert [line.split(";")[0] for line in lines] == [
        "images[1] (id 2) has height nan",
        "images[3] (id 4) has file_name '\\ud800.png'",
        "images[4] (id True) has id True",
    ]
    numbers = [[1, 1, float("nan"), 5], [1, 1, 5], [1, 1, 10**400, 5], ["1", "1", "5", "5"]]
    lines = the_one(findings(dataset([box(2, n) for n in numbers])), "error", "entries of")
    assert [line.partition(" has bbox ")[0] for line in lines] == [
        f"annotations[{i}] (id {i + 1})" for i in range(6, 10)
    ]


def test_facts_describe_the_data(dataset):
    facts = dict(examine("test", Source(*dataset([box(2, [0, 0, 40, 30], iscrowd=1)]))).facts)
    assert facts["size"] == "6 images, 6 boxes, 1 crowds, 2 classes"
    assert facts["boxes/image"] == "median 1, mean 1.0, max 1"
    assert facts["width"] == "40 to 40 pixels, median 40"
    # The boxes have 72 square pixels; the crowd, 1200, is none of them.
    assert facts["box area"].startswith("100% small (< 32^2 pixels), 0% medium, 0% large")
    assert facts["classes"] == "person 3, car 3"


def test_the_text_fits_80_columns_and_names_some_examples(dataset):
    path, folder = dataset([box(2, [-200, 1, 5 + i, 5]) for i in range(9)])
    report = examine("a" * 60, Source(path, folder))
    text = format_report(report, num_examples=2)
    assert max(len(line) for line in text.splitlines() if "/" not in line) <= 80
    assert "error    9 x boxes lie outside of their image" in text
    assert text.count("annotation ") == 2
    assert "... and 7 more" in text
    assert text.endswith("  1 error, 0 warnings")


def run_command(*arguments):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args([str(argument) for argument in arguments]))


def test_exit_codes(dataset, capsys):
    path, folder = dataset()
    assert run_command("--json-file", path, "--image-root", folder) == 0
    assert "ready for training" in capsys.readouterr().out
    path, folder = dataset([box(2, [1, 1, 0, 5])])
    register_coco_instances("doctor_test", path, folder)
    assert run_command("doctor_test") == 0  # only a warning
    assert run_command("doctor_test", "--num-queries", 1) == 1
    assert "found errors" in capsys.readouterr().out
    (folder / "1.png").unlink()
    assert run_command("doctor_test", "--quick") == 1


def test_nothing_or_half_to_examine():
    with pytest.raises(UserError, match="nothing to examine"):
        run_command()
    with pytest.raises(UserError, match="belong together"):
        run_command("--json-file", "a.json")
    with pytest.raises(UserError, match="give --config-file"):
        run_command("model.num_classes=3")
    with pytest.raises(UserError, match="did you mean shapes_train"):
        run_command("shape_train")


CONFIG = """
from aligndetr.config import LazyCall as L
from aligndetr.data import load_dataset

model = dict(num_classes=2, num_queries=5)
dataloader = dict(
    train=dict(dataset=L(load_dataset)(names="a", json_file={json!r}, image_root={images!r})),
    test=dict(dataset=L(load_dataset)(names="doctor_config")),
)
"""


def test_the_datasets_of_a_config(dataset, tmp_path, capsys):
    path, folder = dataset()
    register_coco_instances("doctor_config", path, folder)
    config = tmp_path / "config.py"
    config.write_text(CONFIG.format(json=str(path), images=str(folder)))
    assert run_command("--config-file", config) == 0  # all images are in both: a warning
    output = capsys.readouterr().out
    assert "6 x images are in both" in output
    assert run_command("--config-file", config, "model.num_classes=80") == 1
    assert "add model.num_classes=2" in capsys.readouterr().out
    assert run_command("--config-file", config, "model.num_queries=0") == 1


@pytest.mark.parametrize(
    ("judged", "difference"),
    [
        (["ant", "cat", "bee"], "class index 1 is 'bee' in train, 'cat' in val"),
        (["ant", "bee"], "class index 2 is 'cat' in train, missing in val"),
        (["ant", "bee", "cat", "dog"], "class index 3 is missing in train, 'dog' in val"),
    ],
)
@pytest.mark.parametrize("num_classes", [None, 3])
def test_other_classes_in_another_split_are_an_error(judged, difference, num_classes):
    reports = [Report("train", class_names=["ant", "bee", "cat"]), Report("val")]
    reports[1].class_names = judged
    finding = compare_classes(reports, num_classes)[0]
    assert finding.level == "error"
    assert finding.title.startswith("train and val have different classes; give both the same")
    assert finding.examples == [difference]
    assert compare_classes([reports[0], reports[0]], num_classes) == []


def test_swapped_names_are_not_ready_for_training(dataset, tmp_path, capsys):
    path, folder = dataset()
    content = json.loads(path.read_text())
    content["categories"] = [{"id": 1, "name": "car"}, {"id": 3, "name": "person"}]
    (tmp_path / "swapped.json").write_text(json.dumps(content))
    register_coco_instances("right_train", path, folder)
    register_coco_instances("swapped_val", tmp_path / "swapped.json", folder)
    assert run_command("right_train", "swapped_val", "--quick") == 1
    output = capsys.readouterr().out
    assert "class index 0 is 'person' in right_train, 'car' in swapped_val" in output
    assert "found errors" in output


def test_images_that_lose_copies(dataset):
    # Q = 6, k = 2: floor(6 / (2 * 2)) = 1 copy for the two boxes of image 2
    found = findings(dataset([box(2, [1, 1, 5, 5])]), num_queries=6, match_num=[2, 1])
    assert the_one(found, "warning", "lowered to 1 in 1 of 6 images") == ["2.png: 2 boxes"]
    assert "model.num_queries=8 " in next(iter(found))[1]
    assert findings(dataset([box(2, [1, 1, 5, 5])]), num_queries=8, match_num=[2, 1]) == {}
