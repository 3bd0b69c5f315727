"""Configs written for detectron2, detrex and the official AlignDETR repository."""

from aligndetr.config import register_dialect
from aligndetr.interop.configs.dialect import DetrexDialect

_DIALECT = DetrexDialect()


def enable_foreign_configs() -> None:
    """Let `LazyConfig.load` read them from now on; calling it again changes nothing."""
    register_dialect(_DIALECT)


__all__ = ["DetrexDialect", "enable_foreign_configs"]
