"""The run that is disturbed: a model of two layers, and everything else as in any run."""

from aligndetr.config import LazyCall as L
from aligndetr.config import get_config
from tests.engine.toy import ToyDetector

dataloader = get_config("common/data/shapes.py").dataloader
lr_multiplier = get_config("common/schedule.py").one_cycle
optimizer = get_config("common/optim.py").adamw
train = get_config("common/train.py").train

model = L(ToyDetector)(dropout=0.5, norm=True)
optimizer.params.lr_factor = {}
optimizer.lr = 0.01
dataloader.train.total_batch_size = 2
dataloader.train.num_workers = dataloader.test.num_workers = 0
train.max_iter = 4
train.eval_period = train.checkpointer.period = 2
train.log_period = 1
train.device = "cpu"
train.model_ema.enabled = True
train.reference_batch_size = None
