import pickle
from multiprocessing.reduction import ForkingPickler

import numpy as np
import pytest
import torch.multiprocessing  # noqa: F401  teaches ForkingPickler to share tensors

from aligndetr.data import load_dataset, register_coco_instances
from aligndetr.data.catalog import find_sources, get_source
from aligndetr.data.dataset import DetectionDataset, PackedRecords
from aligndetr.data.records import Records
from aligndetr.errors import DataError

IMAGES = [(1, (40, 60)), (2, (50, 30)), (3, (20, 20)), (4, (20, 20))]
CAR = {"category_id": 3, "bbox": [1, 1, 5, 5]}
ANNOTATIONS = [{"image_id": 1, **CAR}, {"image_id": 3, **CAR, "iscrowd": 1}]


def many_records(number):
    box = {"bbox": [1.0, 2.0, 3.0, 4.0], "category_id": 0, "iscrowd": 0, "area": 12.0, "id": 1}
    return [
        {"file_name": f"{i:09d}.jpg", "image_id": i, "height": 9, "width": i, "annotations": [box]}
        for i in range(number)
    ]


def test_packed_records_are_what_went_in():
    records = many_records(20)
    packed = PackedRecords(records)
    assert len(packed) == 20
    assert list(packed) == records
    assert packed[-1] == records[-1]
    assert packed[3] is not packed[3]
    with pytest.raises(IndexError):
        packed[20]
    assert list(PackedRecords([])) == []


def test_a_worker_gets_shared_memory_and_no_lists_of_objects():
    dataset = DetectionDataset("many", Records(["a"], [1], many_records(10_000)))
    assert len(pickle.dumps(dataset)) > 1_000_000  # what a copy would cost
    assert len(ForkingPickler.dumps(dataset)) < 200_000  # 160 000 of it is image_sizes, an array
    lengths = [len(v) for v in vars(dataset).values() if isinstance(v, (list, tuple, dict))]
    assert max(lengths) == 1  # the class names
    assert vars(dataset._records).keys() == {"_bytes", "_ends"}


def test_own_data_by_file_and_folder(coco_folder):
    path, folder = coco_folder(IMAGES, ANNOTATIONS)
    dataset = load_dataset("kitchen", json_file=path, image_root=folder)
    assert (dataset.name, dataset.source.path, dataset.source.image_root) == (
        "kitchen",
        path,
        folder,
    )
    assert (len(dataset), dataset.epoch_size, dataset.num_classes) == (4, 4, 3)
    np.testing.assert_array_equal(dataset.image_sizes, [[40, 60], [50, 30], [20, 20], [20, 20]])
    assert load_dataset(None, json_file=path, image_root=folder).name == "annotations"


def test_a_file_set_over_a_registered_name_is_called_by_its_own(coco_folder):
    path, folder = coco_folder(IMAGES, ANNOTATIONS)
    dataset = load_dataset("shapes_val", json_file=path, image_root=folder)
    assert dataset.name == "annotations"


def test_images_without_objects_are_kept_unless_filtered(coco_folder):
    path, folder = coco_folder(IMAGES, ANNOTATIONS)
    dataset = load_dataset("kitchen", path, folder, filter_empty=True)
    # Image 3 has only a crowd, 2 and 4 have nothing.
    assert [record["image_id"] for record in dataset] == [1]
    np.testing.assert_array_equal(dataset.image_sizes, [[40, 60]])
    path, folder = coco_folder(IMAGES, [])
    with pytest.raises(DataError, match="has no images with boxes"):
        load_dataset("kitchen", path, folder, filter_empty=True)


def test_registered_datasets_and_several_at_once(coco_folder):
    path, folder = coco_folder(IMAGES, ANNOTATIONS)
    register_coco_instances("kitchen_a", path, folder)
    register_coco_instances("kitchen_b", path, folder, epoch_size=100)
    assert load_dataset("kitchen_b").epoch_size == 100
    both = load_dataset(["kitchen_a", "kitchen_b"])
    assert (len(both), both.epoch_size, both.source) == (8, 104, None)
    assert both.name == "kitchen_a+kitchen_b"
    assert both[5] == load_dataset("kitchen_a")[1]
    assert load_dataset(["kitchen_a"]).source.path == path


def test_different_classes_cannot_be_joined(coco_folder, tmp_path):
    path, folder = coco_folder(IMAGES, ANNOTATIONS)
    register_coco_instances("kitchen_c", path, folder)
    other = tmp_path / "other.json"
    other.write_text(path.read_text().replace('"cat"', '"dog"'))
    register_coco_instances("kitchen_d", other, folder)
    with pytest.raises(DataError, match="kitchen_c and kitchen_d have different classes"):
        load_dataset(["kitchen_c", "kitchen_d"])


def test_unknown_names_and_half_given_files():
    with pytest.raises(DataError, match="did you mean coco_2017_val"):
        load_dataset("coco2017_val")
    with pytest.raises(DataError, match="belong together"):
        load_dataset("kitchen", json_file="a.json")
    with pytest.raises(DataError, match="no dataset"):
        load_dataset([])


def test_coco_is_below_the_dataset_root_and_has_published_epochs(monkeypatch, tmp_path):
    monkeypatch.setenv("DETECTRON2_DATASETS", str(tmp_path))
    train = get_source("coco_2017_train")
    assert train.path == tmp_path / "coco/annotations/instances_train2017.json"
    assert train.image_root == tmp_path / "coco/train2017"
    assert 12 * train.epoch_size / 16 == 90_000
    assert get_source("coco_2017_val").epoch_size is None
    monkeypatch.delenv("DETECTRON2_DATASETS")
    assert get_source("coco_2017_val").image_root.parts == ("datasets", "coco", "val2017")


def test_crowds_are_no_objects():
    box = {"bbox": [1.0, 1.0, 4.0, 4.0], "category_id": 0, "area": 16.0, "id": 1}
    crowds = [[0, 0, 1], [], [1]]
    records = [
        {**record, "annotations": [{**box, "iscrowd": flag} for flag in flags]}
        for record, flags in zip(many_records(3), crowds, strict=True)
    ]
    assert DetectionDataset("few", Records(["a"], [1], records)).count_objects() == [2, 0, 0]


@pytest.mark.parametrize("odd", [3, {"_target_": "x"}, ["a.json"], True, ""])
@pytest.mark.parametrize("key", ["json_file", "image_root", "path"])
def test_a_place_that_is_no_name_is_refused(key, odd):
    if (key, odd) == ("image_root", ""):
        return  # of images whose names are whole paths
    places = {"path": odd} if key == "path" else {"json_file": "a", "image_root": "b", key: odd}
    with pytest.raises(DataError, match=f"{key} is .*; it must be the name of a file or folder"):
        find_sources(None, **places)
