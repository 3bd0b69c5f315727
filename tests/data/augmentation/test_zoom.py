"""Canvas, crop, colours and batch size: boxes go where the pixels go."""

import numpy as np
import pytest
import torch
from fvcore.transforms.transform import CropTransform, NoOpTransform
from hypothesis import given, settings
from hypothesis import strategies as st

from aligndetr.data import DetrMapper, build_train_loader, load_dataset
from aligndetr.data import augmentation as T
from aligndetr.data.augmentation import BatchResize, RandomIoUCrop, RandomZoomOut
from aligndetr.data.loader import TrainLoader
from aligndetr.data.workers import BatchReader
from aligndetr.structures import Boxes, Instances

GREY = 50
SEEDS = st.integers(0, 10**6)


def rng(seed=0):
    return np.random.default_rng(seed)


def picture(height, width, boxes):
    """Grey, and object i in the colour (200, 10 * (i + 1), 0), later ones on top."""
    image = np.full((height, width, 3), GREY, np.uint8)
    for index, (left, top, right, bottom) in enumerate(boxes):
        image[top:bottom, left:right] = (200, 10 * (index + 1), 0)
    return image


def seen(image, index):
    """The box around the pixels of an object, or None."""
    rows, columns = np.nonzero((image[..., 0] == 200) & (image[..., 1] == 10 * (index + 1)))
    if not len(rows):
        return None
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


BOXES = [[4, 6, 20, 30], [30, 8, 50, 20], [26, 24, 29, 36]]  # none covers another
IMAGE = picture(40, 60, BOXES)


def augment(augmentation, seed, boxes=BOXES):
    boxes = np.array(boxes, dtype=np.float64)
    image, transform = T.apply_augmentations([augmentation], IMAGE, rng(seed), boxes)
    return image, transform.apply_box(boxes)


# --- zoom out -----------------------------------------------------------------------------------


def test_a_canvas_by_hand():
    class Chosen:
        """A generator with numbers of our own."""

        def random(self):
            return 0.49

        def uniform(self, low, high):
            return 1.55

        def integers(self, high, endpoint):
            assert endpoint
            return {22: 22, 33: 3}[high]  # 40 * 1.55 = 62 rows, 22 more; 60 * 1.55 = 93, 33 more

    transform = RandomZoomOut(fill=7).get_transform(IMAGE, Chosen())
    image = transform.apply_image(IMAGE)
    assert image.shape == (62, 93, 3)
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image[22:, 3:63], IMAGE)
    image[22:, 3:63] = 7
    assert (image == 7).all()
    moved = transform.apply_box(np.array([[4.0, 6, 20, 30]]))
    np.testing.assert_array_equal(moved, [[7, 28, 23, 52]])  # + 3 right, + 22 down


@given(SEEDS)
@settings(max_examples=40, deadline=None)
def test_zooming_out_keeps_every_object_whole(seed):
    image, boxes = augment(RandomZoomOut(prob=1.0), seed)
    assert 40 <= image.shape[0] <= 160
    assert 60 <= image.shape[1] <= 240
    for index, box in enumerate(boxes):
        assert seen(image, index) == box.tolist()


def test_zooming_out_happens_as_often_as_asked():
    shapes = [augment(RandomZoomOut(prob=0.3), seed)[0].shape for seed in range(1000)]
    changed = sum(shape != IMAGE.shape for shape in shapes)
    # 300 expected, of which 1 in 180 gets a canvas of the image's size; standard deviation 14.5
    assert abs(changed - 300) < 60
    heights = np.array([shape[0] for shape in shapes if shape != IMAGE.shape])
    assert abs(heights.mean() - 100) < 12  # uniform from 40 to 160: 35 / sqrt(300) = 2


def test_a_canvas_smaller_than_the_image_is_refused():
    with pytest.raises(ValueError, match="at least as large"):
        RandomZoomOut(side_range=(0.5, 2.0))


# --- crop ---------------------------------------------------------------------------------------


@given(SEEDS)
@settings(max_examples=80, deadline=None)
def test_a_crop_cuts_objects_and_drops_those_whose_centre_left(seed):
    image, boxes = augment(RandomIoUCrop(prob=1.0), seed)
    height, width = image.shape[:2]
    assert 40 * 0.3 - 1 < height <= 40
    assert 60 * 0.3 - 1 < width <= 60
    kept = 0
    for index, (box, (left, top, right, bottom)) in enumerate(zip(boxes, BOXES, strict=True)):
        if not box.any():
            continue
        kept += 1
        assert seen(image, index) == box.tolist()
        assert 2 * (box[2] - box[0]) >= right - left  # with the centre, at least half of it
        assert 2 * (box[3] - box[1]) >= bottom - top
    assert kept >= 1


def overlap(box, crop):
    low, high = np.maximum(box[:2], crop[:2]), np.minimum(box[2:], crop[2:])
    shared = float((high - low).clip(0).prod())
    area = lambda xyxy: float((xyxy[2] - xyxy[0]) * (xyxy[3] - xyxy[1]))  # noqa: E731
    return shared / (area(box) + area(crop) - shared)


@pytest.mark.parametrize("least", [0.3, 0.5, 0.7])
def test_a_crop_overlaps_some_object_as_asked(least):
    large = np.array([[5.0, 3, 50, 38]])
    lows = []
    for seed in range(60):
        transform = RandomIoUCrop([least], prob=1.0).get_transform(IMAGE, rng(seed), large)
        if isinstance(transform, CropTransform):
            corner = [transform.x0, transform.y0]
            crop = np.array([*corner, corner[0] + transform.w, corner[1] + transform.h])
            assert 0.5 <= transform.w / transform.h <= 2
            lows.append(overlap(large[0], crop))
    assert len(lows) >= 15  # half of the draws keep the whole image
    assert min(lows) >= least
    assert min(lows) < least + 0.15  # it is a bound, not what all crops exceed by far


def test_centres_by_hand():
    from aligndetr.data.augmentation.zoom import ObjectCrop

    crop = ObjectCrop(10, 10, 20, 15)  # x from 10 to 30, y from 10 to 25
    boxes = np.array(
        [
            [12.0, 12, 20, 20],  # inside
            [0.0, 8, 24, 20],  # centre (12, 14): inside, cut on the left and the top
            [0.0, 12, 20, 20],  # centre (10, 16): on the edge, gone
            [14.0, 20, 22, 40],  # centre (18, 30): below, gone
        ]
    )
    expected = [[2, 2, 10, 10], [0, 0, 14, 10], [0, 0, 0, 0], [0, 0, 0, 0]]
    np.testing.assert_array_equal(crop.apply_box(boxes), expected)


def test_an_image_without_objects_is_not_cropped():
    image, boxes = augment(RandomIoUCrop(prob=1.0), 0, np.empty((0, 4)))
    assert image.shape == IMAGE.shape
    assert boxes.shape == (0, 4)


def test_crops_happen_as_often_as_asked():
    one = [[10, 5, 50, 35]]
    same = sum(
        augment(RandomIoUCrop([0.0, 0.1, 0.3], prob=0.8), seed, one)[0].shape == IMAGE.shape
        for seed in range(600)
    )
    # not at all 0.2, then the whole image in 1 of 4: 0.4 of 600 = 240; standard deviation 12
    assert abs(same - 240) < 55


def test_a_crop_sees_boxes_where_the_steps_before_put_them():
    class Recorder(T.BoxAugmentation):
        def get_transform(self, image, rng, boxes):
            self.boxes = boxes
            return NoOpTransform()

    recorder = Recorder()
    steps = [T.RandomFlip(1.0), recorder]
    T.apply_augmentations(steps, IMAGE, rng(), np.array([[4.0, 6, 20, 30]]))
    np.testing.assert_array_equal(recorder.boxes, [[40, 6, 56, 30]])  # 60 - 20, 60 - 4
    T.apply_augmentations(steps, IMAGE, rng())
    assert recorder.boxes.shape == (0, 4)


# --- batch size ---------------------------------------------------------------------------------


def make_item(height, width, box, label):
    boxes = Boxes(torch.tensor([box, [0.0, 0.0, 1.0, 1.0]]))
    instances = Instances((height, width), gt_boxes=boxes, gt_classes=torch.tensor([label, 0]))
    image = torch.full((3, height, width), GREY, dtype=torch.uint8)
    return {"image": image, "instances": instances, "height": height, "width": width}


def test_one_size_for_the_batch_and_small_objects_dropped():
    items = [make_item(20, 40, [10.0, 5.0, 30.0, 15.0], 3), make_item(64, 32, [0, 0, 32, 64.0], 4)]
    wide, high = BatchResize([32])(items, rng())
    for item in (wide, high):
        assert item["image"].shape == (3, 32, 32)
        assert item["image"].dtype == torch.uint8
        assert (item["image"] == GREY).all()
        assert item["instances"].image_size == (32, 32)
    assert (wide["height"], wide["width"]) == (20, 40)  # of the file, as before
    # x * 32 / 40, y * 32 / 20; the pixel-sized one becomes 0.8 x 1.6 and goes
    torch.testing.assert_close(wide["instances"].gt_boxes.tensor, torch.tensor([[8.0, 8, 24, 24]]))
    assert wide["instances"].gt_classes.tolist() == [3]
    assert high["instances"].gt_classes.tolist() == [4]  # 1 x 0.5 goes
    assert items[0]["image"].shape == (3, 20, 40)


def test_boxes_stay_in_the_image():
    # 19 * float32(480 / 19) rounds to more than 480
    item = BatchResize([480])([make_item(19, 19, [0.0, 0.0, 19.0, 19.0], 0)], rng())[0]
    assert item["instances"].gt_boxes.tensor[0].tolist() == [0, 0, 480, 480]


def test_sizes_are_drawn_as_often_as_they_are_listed():
    items, source = [make_item(8, 8, [0, 0, 8, 8], 0)], rng()
    resize = BatchResize([8, 16, 16, 16])
    edges = [resize(items, source)[0]["image"].shape[1] for _ in range(800)]
    # 600 expected; standard deviation sqrt(800 * 3/4 * 1/4) = 12
    assert abs(edges.count(16) - 600) < 60
    with pytest.raises(ValueError, match="sizes is empty"):
        BatchResize([])


@pytest.fixture
def dataset(coco_folder):
    images = [(i, (30, 40)) for i in range(1, 9)]
    boxes = [{"image_id": i, "category_id": 1, "bbox": [5, 5, 20, 18]} for i in range(1, 9)]
    return load_dataset("tiny", *coco_folder(images, boxes))


def batches(dataset, number, workers=0, state=None):
    steps = [RandomZoomOut(), RandomIoUCrop(), T.RandomFlip()]
    loader = build_train_loader(
        dataset, DetrMapper(steps), 2, workers, seed=3, batch_transform=BatchResize([16, 24, 32])
    )
    if state is not None:
        loader.load_state_dict(state)
    read = [batch for batch, _ in zip(loader, range(number), strict=False)]
    return read, loader.state_dict()


def flat(batch):
    return [
        (item["image"].numpy().tobytes(), item["instances"].gt_boxes.tensor.tolist())
        for item in batch
    ]


def test_sizes_are_reproducible_resumable_and_shared_by_a_batch(dataset):
    read, _ = batches(dataset, 12)
    edges = [[item["image"].shape[1] for item in batch] for batch in read]
    assert all(len(set(pair)) == 1 for pair in edges)
    assert len({pair[0] for pair in edges}) == 3
    assert [flat(b) for b in batches(dataset, 12, workers=2)[0]] == [flat(b) for b in read]
    _, state = batches(dataset, 5)
    resumed, _ = batches(dataset, 6, state={**state, "consumed": 5})
    assert [flat(b) for b in resumed] == [flat(b) for b in read[5:11]]


def test_processes_draw_sizes_of_their_own(dataset):
    reader = BatchReader(dataset, DetrMapper([]), 3, True, BatchResize([16, 24, 32]))
    sizes = []
    for rank in range(2):
        loader = TrainLoader(reader, 4, num_workers=0, rank=rank, world_size=2)
        read = zip(range(12), loader, strict=False)
        sizes.append([batch[0]["image"].shape[1] for _, batch in read])
    assert sizes[0] != sizes[1]
