"""However much there is to show, a page stays below 10 MB."""

import json

import numpy as np
import pytest
from PIL import Image

from aligndetr.explanation import Inspection
from aligndetr.explanation.inspection import LayerView, Pair, Thing
from aligndetr.report import reported_run, run_page

IMAGES, CLASSES, SIDE = 60, 80, (600, 800)


def noise(seed):
    """(H, W, 3): nothing needs more room as a JPEG."""
    return np.random.default_rng(seed).integers(0, 256, (*SIDE, 3), dtype=np.uint8)


@pytest.fixture
def large_run(tmp_path):
    """Many images of noise, classes, detections and curves; all detections are mistakes."""
    rng = np.random.default_rng(0)
    images = []
    for index in range(IMAGES):
        name = f"{index}.bmp"
        Image.fromarray(noise(index)).save(tmp_path / name)
        images.append({"id": index, "file_name": name, "width": SIDE[1], "height": SIDE[0]})
    categories = [{"id": i, "name": f"class {i}"} for i in range(1, CLASSES + 1)]
    objects, found = [], []
    for number in range(IMAGES * 60):
        entry = {
            "image_id": number % IMAGES,
            "category_id": 1 + number % CLASSES,
            "bbox": rng.uniform(0, 300, 4).round(2).tolist(),
        }
        objects.append({**entry, "id": number + 1, "area": 9.0, "iscrowd": 0})
        other = {"bbox": rng.uniform(0, 300, 4).tolist(), "score": float(rng.uniform())}
        found.append({**entry, **other})
    truth = {"images": images, "annotations": objects, "categories": categories}
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    (tmp_path / "coco_instances_results.json").write_text(json.dumps(found))
    names = ["total_loss", *(f"loss_class_{i}" for i in range(40))]
    lines = [{"iteration": i, **dict.fromkeys(names, i / 7)} for i in range(3000)]
    (tmp_path / "metrics.json").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (tmp_path / "config.yaml").write_text(
        "dataloader: {test: {dataset: {_target_: aligndetr.data.load_dataset, names: null, "
        f"json_file: {tmp_path}/truth.json, image_root: {tmp_path}}}}}}}\n"
    )
    return tmp_path


def inspection(record):
    box = np.array([0.1, 0.2, 0.3, 0.5])
    layers = [LayerView(i, box[None].repeat(900, 0), [Pair(q, 0, 0.5, 0.9) for q in range(900)])
              for i in range(7)]  # fmt: skip
    return Inspection(noise(record["image_id"]), [Thing("a", box)], layers, True, [(8, 10)])


def test_a_large_run_has_a_page_of_less_than_ten_megabytes(large_run, read_data):
    run = reported_run(large_run, rounds=2)
    assert run.judged is not None, run.notes
    page = run_page(run, inspection)
    size = len(page.encode())
    assert 5_000_000 < size < 10_000_000
    data = read_data(page)
    pictures = data["pictures"].values()
    left_out = [each for each in pictures if each["src"] is None]
    assert left_out
    assert all("so that the page stays small" in each["why"] for each in left_out)
    assert len(left_out) < len(pictures)
    assert 1 <= len(data["layers"]) < 6
    [loss] = [chart for chart in data["charts"] if chart["id"] == "loss"]
    total = loss["views"][0]["curves"][0]["points"]
    # 3000 points in 500 stretches of 6: the mean of 0 to 5 is 2.5, at the stretch's last iteration
    assert len(total) == 500
    assert total[0] == [6, pytest.approx(2.5 / 7, rel=1e-4)]
