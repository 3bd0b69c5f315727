"""Foreign names, configs and checkpoints."""
