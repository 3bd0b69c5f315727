"""What the documentation shows and the tests do not execute, with the reason; what blocks suppose.

A command is named by its words, a block of Python by its page and how a line of it begins. Commands
of ours are nevertheless read by their parsers, and the configs that they name are built.
"""

GPU = "GPUs or several machines"
NETWORK = "downloads something, or asks a server"
DATA = "a dataset or a file that is not in the repository"
FOREIGN = "a package that is not installed for the tests"
MINUTES = "takes minutes on a CPU; its parts are tested elsewhere"
INSTALLS = "changes the machine; .ci/run does it in an environment of its own"
WRITES = "writes a page of the repository"
FRAGMENT = "a line to be put into a larger file, with ... for the rest"

COMMANDS = {
    GPU: [
        "aligndetr train CONFIG --num-gpus 8",
        "aligndetr train CONFIG --num-gpus 8 --num-machines 2 --machine-rank 0 "
        "--dist-url tcp://10.0.0.1:29500",
        "torchrun --nproc-per-node 8 -m aligndetr train CONFIG",
        "torchrun --nnodes 1:4 --nproc-per-node 8 --max-restarts 3 --rdzv-backend c10d "
        "--rdzv-endpoint first-machine:29500 --rdzv-id my-run -m aligndetr train CONFIG",
        "aligndetr submit CONFIG --nodes 2 --gpus-per-node 8 --partition gpu --time 24:00:00",
        "aligndetr submit CONFIG --nodes 2 --partition gpu --dry-run",
        "aligndetr submit CONFIG --gpus-per-node 2 --here",
        "aligndetr train aligndetr_k2_r50_4scale_12ep --num-gpus 8",
        "aligndetr train align_dab_detr_r50_50ep --num-gpus 8",
        "aligndetr train dab_deformable_detr_r50_50ep --num-gpus 8",
        "aligndetr train dab_detr_r50_50ep --num-gpus 8",
        "aligndetr train deformable_detr_r50_two_stage_50ep --num-gpus 8",
        "aligndetr train detr_r50_300ep --num-gpus 8",
        "aligndetr train dino_r50_4scale_12ep --num-gpus 8",
        "aligndetr train h_deformable_detr_r50_two_stage_12ep --num-gpus 8",
        "aligndetr train rtdetr_r50_6x --num-gpus 8",
        "aligndetr train dino_swin_large_384_4scale_12ep --num-gpus 8 train.fsdp.enabled=true",
        "aligndetr convert output/model_final.dcp model.pth --weights ema",
        "aligndetr eval --checkpoint output/model_final.dcp",
    ],
    NETWORK: [
        "git clone <your fork> aligndetr",
        "pip install pip-audit",
        "pip-audit --strict",
        "aligndetr predict --checkpoint model_final.pth 'photos/**/*.jpg' "
        "https://example.org/a.jpg clip.mp4",
        "pre-commit install",
        "aligndetr predict --checkpoint huggingface://org/cells_r18@<commit> images/",
        "aligndetr zoo huggingface_rtdetr_r18 --fetch",
        "aligndetr predict --checkpoint zoo:rtdetr_r18 images/",
        "aligndetr train my_config.py train.init_checkpoint=zoo:detrex_dino_r50_12ep",
        "aligndetr train aligndetr_k2_r50_4scale_12ep "
        "dataloader.train.dataset.path=s3://bucket/kitchen_shards model.num_classes=null",
    ],
    DATA: [
        "aligndetr train aligndetr_k2_r50_4scale_12ep dataloader.train.total_batch_size=4 "
        "train.amp.enabled=true",
        "aligndetr train dino_r50_4scale_12ep '+model.backbone.deform_stages=[res3,res4,res5]'",
        "aligndetr train dino_swin_large_384_4scale_12ep 'optimizer.params.lr_factor={_target_: "
        "aligndetr.engine.layer_decay.LayerwiseDecay, decay: 0.9}'",
        "aligndetr train output/cells/config.yaml train.init_checkpoint=cells_r18",
        "aligndetr convert dino_r50.pth ours.pth",
        "aligndetr convert dino_r50.pth ours.pth "
        "--config-file projects/dino/configs/dino_r50_4scale_12ep.py",
        "aligndetr doctor --examples 1 --config-file aligndetr_tiny "
        "dataloader.train.dataset.path=bccd",
        "aligndetr eval rtdetr_r50_6x --checkpoint FILE model.decoder.eval_idx=3",
        "aligndetr train CONFIG "
        "dataloader.evaluator._target_=aligndetr.evaluation.lvis.LVISEvaluator",
        "python -m studies.first_detector BCCD --trials",
        "python -m benchmarks.exports "
        "--checkpoint output/first_detector/strides-coarse/seed0/model_final.pth "
        '--title "blood cells, test, 256 px" dataloader.test.dataset.split=test '
        "dataloader.test.mapper.augmentation.0.short_edge_length=256",
        "python -m studies.first_detector BCCD --final 0",
        "python -m studies.first_detector BCCD --final --recipe small-distorted-at256",
    ],
    FOREIGN: ["aligndetr-predict model.onnx images/ --output out/"],
    MINUTES: [
        "python -m tests.soak --iterations 2000 --disturbances 40",
        "aligndetr train aligndetr_k2_r50_4scale_12ep dataloader.train.dataset.path=kitchen/ "
        "model.num_classes=null",
        "aligndetr train aligndetr_k2_r50_4scale_12ep dataloader.train.dataset.path=kitchen "
        "model.num_classes=null",
        "aligndetr export --checkpoint output/aligndetr_tiny/model_final.pth --format onnx "
        "--output exported/",
        "aligndetr export --checkpoint model_final.pth --format onnx --output exported",
        "aligndetr plan CONFIG --memory 8GB",
        "aligndetr train aligndetr_k2_r50_4scale_12ep "
        "dataloader.train.dataset.path=kitchen_shards model.num_classes=null",
        "aligndetr benchmark rtdetr_r18_6x",
        "aligndetr benchmark my_config.py out/model.onnx out/model.xml --size 640 "
        "--batch-sizes 1,8",
        "aligndetr benchmark out/model.xml --precision bf16 --threads 4 --json found.json",
        "ty check",
        "aligndetr walk dino_r50_4scale_12ep --image street.jpg --depth 3",
        "aligndetr walk rtdetr_r18_6x --html walk.html --json walk.json model.num_queries=100",
        "ruff check --fix .",
        "ruff format .",
        "pytest -n auto --dist loadfile",
        "pytest tests/criterions",
        "pytest tests/parity",
        "mkdocs serve",
        ".ci/rehearse",
        ".ci/run",
    ],
    INSTALLS: [
        "pip install -c constraints.txt -e .",
        'pip install -c constraints.txt -e ".[test]"',
        'pip install -c constraints.txt -e ".[dev]"',
        'pip install "aligndetr[onnx]"',
        "pip install 'aligndetr-runtime[onnx]'",
        'pip install "aligndetr[slurm]"',
        "cd aligndetr",
        "python -m venv .venv",
        ". .venv/bin/activate",
    ],
    WRITES: [
        "python docs/make_walkthrough.py",
        "python -m studies.alignment photographs --data BCCD --processes 2",
        "python -m studies.alignment shapes --processes 2",
        "python -m studies.alignment",
        "python -m tests.faults --cases 170 --page docs/reliability.md",
        "python -m tests.parity.report",
    ],
}

PYTHON = {
    ("docs/detectron2.md", "from detectron2.engine import SimpleTrainer"): FOREIGN,
    (
        "docs/detectron2.md",
        "from detectron2.modeling import",
    ): FOREIGN,
    ("docs/prediction.md", "import fiftyone as fo"): FOREIGN,
    ("docs/training.md", "import mlflow"): FOREIGN,
    ("docs/export.md", "from aligndetr_runtime import Detector"): FOREIGN,
    ("docs/runtime.md", "from aligndetr_runtime import Detector"): FOREIGN,  # see tests/export
    ("docs/runtime.md", "detector = Detector("): MINUTES,
    ("docs/hub.md", "from aligndetr.hub import"): NETWORK,
    (
        "aligndetr/projects/deformable_attention_2d/README.md",
        "model.encoder.layer.self_attention = ",
    ): FRAGMENT,
    (
        "aligndetr/projects/dense_one_to_one/README.md",
        "dataloader.train.stages = stages(",
    ): FRAGMENT,
}

# what a page's Python supposes to be there
GIVEN = {
    "docs/checkpoints.md": """
from aligndetr.config import LazyConfig, instantiate, resolve_config
config = LazyConfig.load(resolve_config("aligndetr_tiny"))
config.model.num_classes = 6
model = instantiate(config.model)
""",
    "docs/datasets.md": """
from aligndetr.config import LazyConfig, resolve_config
dataloader = LazyConfig.load(resolve_config("aligndetr_tiny")).dataloader
""",
    "docs/prediction.md": """
from PIL import Image
import numpy
image = numpy.asarray(Image.open("image.jpg"))
""",
}
