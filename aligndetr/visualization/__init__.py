"""Drawings and plots."""

from aligndetr.visualization.curves import plot_metrics
from aligndetr.visualization.draw import draw_instances
from aligndetr.visualization.predictions import save_prediction_pictures

__all__ = ["draw_instances", "plot_metrics", "save_prediction_pictures"]
