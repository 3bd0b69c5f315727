"""How a run goes: length, precision, checkpoints, evaluation, logs."""

train = {
    "output_dir": "./output",
    "init_checkpoint": "",  # a file, URL or detectron2:// name; empty: from scratch
    "seed": 0,
    "device": "auto",  # cuda if there is one, else cpu
    "epochs": 12,
    "max_iter": None,  # iterations; None: as many as the epochs hold
    "reference_batch_size": 16,  # lr is multiplied by total_batch_size / this; None: never
    "accumulation_steps": 1,  # parts into which the total batch is split
    "amp": {"enabled": False, "dtype": "bfloat16"},
    "clip_grad": {"enabled": True, "params": {"max_norm": 0.1, "norm_type": 2}},
    "ddp": {
        "broadcast_buffers": False,
        "find_unused_parameters": False,
        "fp16_compression": False,
    },
    "model_ema": {"enabled": False, "decay": 0.999},
    "checkpointer": {"period": 5000, "max_to_keep": 3},
    "eval_period": 5000,
    "log_period": 20,
}
