"""Small value types that travel between data, model and evaluation."""

from aligndetr.structures.boxes import Boxes
from aligndetr.structures.image_batch import ImageBatch
from aligndetr.structures.instances import Instances
from aligndetr.structures.predictions import Predictions
from aligndetr.structures.targets import Targets

__all__ = ["Boxes", "ImageBatch", "Instances", "Predictions", "Targets"]
