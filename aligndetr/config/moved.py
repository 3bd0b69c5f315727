"""Where names went that configs saved by earlier versions still use."""

MOVED: dict[str, str] = {}  # dotted name in a saved config.yaml -> its present one
