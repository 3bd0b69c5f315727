"""The HTML viewer."""

import base64
import io
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from aligndetr.explanation import inspect_image
from aligndetr.explanation.inspection_page import inspection_page

VOID = {"meta", "input", "link", "br", "img"}


class Reader(HTMLParser):
    """Checks that tags are closed in order; collects attributes and the content of scripts."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.attributes, self.ids, self.texts, self.last = [], [], [], {}, ""

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        self.ids += [value for name, value in attrs if name == "id"]
        self.last = dict(attrs).get("id", tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts[self.last] = self.texts.get(self.last, "") + data


def write_page(inspection, path, *words):
    path.write_text(inspection_page(inspection, *words), encoding="utf-8")


def read(path):
    reader = Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    reader.close()
    assert reader.open == []
    return reader, json.loads(reader.texts["data"])


@pytest.fixture
def inspection(model, item, image):
    names = ["</script><b>disk", "square", "étoile"]  # what an annotation file may hold
    return inspect_image(model, item, image, names)


def test_the_page_is_whole_and_needs_nothing_else(inspection, tmp_path):
    write_page(inspection, tmp_path / "a.html", "a < b & c")
    reader, data = read(tmp_path / "a.html")
    assert reader.texts["title"].strip() == "a < b & c"
    assert not [a for a in reader.attributes if a[1] in ("src", "href", "srcset")]
    page = (tmp_path / "a.html").read_text().replace(data["image"], "")
    outside = re.findall(r"https?://[\w.]+|\"//[\w.]+|@import|url\(", page)
    assert set(outside) <= {"http://www.w3.org"}  # the name of SVG, which is not fetched
    assert len(reader.ids) == len(set(reader.ids))
    wanted = set(re.findall(r'at\("([\w-]+)"\)', reader.texts["script"]))
    assert wanted <= set(reader.ids)
    assert [thing["name"] for thing in data["things"]] == ["</script><b>disk", "étoile"]


def test_the_image_is_inside(inspection, tmp_path):
    write_page(inspection, tmp_path / "a.html", "a")
    _, data = read(tmp_path / "a.html")
    kind, content = data["image"].split(",")
    assert kind == "data:image/jpeg;base64"
    assert Image.open(io.BytesIO(base64.b64decode(content))).size == (128, 96)
    assert (data["width"], data["height"]) == (128, 96)


def test_pairs_boxes_and_points_are_those_of_the_inspection(inspection, tmp_path):
    write_page(inspection, tmp_path / "a.html", "a")
    _, data = read(tmp_path / "a.html")
    used = {pair.query for layer in inspection.layers[1:] for pair in layer.pairs}
    for layer, shown in zip(inspection.layers, data["layers"], strict=True):
        for pair, entry in zip(layer.pairs, shown["pairs"], strict=True):
            assert (entry["query"], entry["thing"]) == (pair.query, pair.thing)
            assert (entry["rank"], entry["weight"]) == (pair.rank, round(pair.weight, 4))
            assert entry["iou"] == pytest.approx(pair.iou, abs=1e-4)
            box = shown["boxes"][str(pair.query)]
            np.testing.assert_allclose(box, layer.boxes[pair.query], atol=1e-4)
        if layer.index == 0:
            assert shown["sampling"] is None
            continue
        assert {int(query) for query in shown["sampling"]} == used
        for query, heads in shown["sampling"].items():
            flat = np.array(heads).reshape(*layer.sampling.weights.shape[1:], 3)
            np.testing.assert_allclose(flat[..., :2], layer.sampling.points[int(query)], atol=1e-4)
            np.testing.assert_allclose(flat[..., 2], layer.sampling.weights[int(query)], atol=1e-4)


def test_a_query_that_is_not_matched_can_be_asked_for(inspection, tmp_path):
    used = {pair.query for layer in inspection.layers for pair in layer.pairs}
    free = min(set(range(40)) - used)
    write_page(inspection, tmp_path / "a.html", "a", free)
    _, data = read(tmp_path / "a.html")
    assert data["query"] == free
    assert all(str(free) in layer["sampling"] for layer in data["layers"][1:])
    assert all(str(free) in layer["boxes"] for layer in data["layers"][1:])


def test_large_images_are_made_smaller(model, item, tmp_path):
    large = np.zeros((1500, 2000, 3), dtype=np.uint8)
    write_page(inspect_image(model, item, large), tmp_path / "a.html", "a")
    _, data = read(tmp_path / "a.html")
    content = base64.b64decode(data["image"].split(",")[1])
    assert Image.open(io.BytesIO(content)).size == (1000, 750)
    assert (data["width"], data["height"]) == (2000, 1500)
