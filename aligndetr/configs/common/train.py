"""How a run goes: length, precision, checkpoints, evaluation, logs (docs/training.md)."""

train = {
    "output_dir": "./output",
    "init_checkpoint": "",  # a file, URL or detectron2:// name; empty: from scratch
    "freeze": [],  # names of modules that are not trained, such as backbone.*
    "trust_checkpoint": False,  # read pickles that may run code; only files you wrote yourself
    "seed": 0,  # -1: another one each time
    "deterministic": False,  # refuse operations that are not
    "device": "auto",  # cuda if there is one, else cpu
    "num_threads": None,  # of one process on the CPU; None: torch decides
    "epochs": 12,  # 72.5 is a number of epochs, too
    "max_iter": None,  # iterations; None: as many as the epochs hold
    "max_images": None,  # of the training set; None: all
    "reference_batch_size": 16,  # lr is multiplied by total_batch_size / this; None: never
    "accumulation_steps": 1,  # parts into which the total batch is split
    "fast_dev_run": {"enabled": False},  # 3 iterations and an evaluation, to see that all works
    "amp": {"enabled": False, "dtype": "bfloat16"},
    "activation_checkpointing": [],  # backbone, encoder, decoder: less memory, more time
    "compile": [],  # backbone, encoder, decoder: torch.compile; slow first steps
    "clip_grad": {"enabled": True, "params": {"max_norm": 0.1, "norm_type": 2}},
    "ddp": {
        "broadcast_buffers": False,
        "find_unused_parameters": False,
        "fp16_compression": False,  # older name for gradient_compression=fp16
        "gradient_compression": None,  # fp16, bf16: gradients travel in half as many bytes
        "sync_batch_norm": False,  # batch norms that train see all processes' images; GPUs only
    },
    "fsdp": {"enabled": False},  # each process holds a part of weights and optimizer state
    "desync_guard": {
        "period": 100,  # iterations between comparisons of several processes; 0: only at the start
        "timeout": 600,  # seconds that processes wait for one of them, before all end
    },
    "model_ema": {"enabled": False, "decay": 0.999, "warmup": 0},
    "checkpointer": {"period": 5000, "max_to_keep": 3},
    "eval_period": 5000,  # iterations, or eval_epochs if that is shorter; 0: only at the end
    "eval_epochs": 1,  # None: eval_period alone counts
    "log_period": 20,
    "best": {"metric": "bbox/AP", "weights": None},  # None: the moving average if there is one
    "early_stopping": {"patience": 0},  # evaluations without a better metric; 0: never
    "test_time_augmentation": {"flip": False, "scales": [1.0]},  # looks of an evaluation
    "validation_loss": {"enabled": False},
    "diagnosis": [],  # measures beside the evaluator's: alignment, analysis
    "matching_stability": {"enabled": False, "images": 500},  # objects that change their query
    "pictures": {"every": 0, "images": 4},  # evaluations between those sent to writers; 0: none
    "report": {"enabled": True},  # report.html at the end: curves, errors, images
    "hooks": [],  # your own, such as L(MyHook)(...)
    "writers": [],  # your own, likewise
    "wandb": {"enabled": False, "params": {"dir": "./wandb_output", "project": "aligndetr"}},
}
