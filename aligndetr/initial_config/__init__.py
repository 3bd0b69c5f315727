"""The first config file of one's own: values from data and machine, each with its reason."""

from aligndetr.initial_config.choices import Wishes
from aligndetr.initial_config.machine import Machine, this_machine
from aligndetr.initial_config.recipes import Recipe, recipe_for, recipe_of
from aligndetr.initial_config.survey import Survey, survey
from aligndetr.initial_config.writing import Draft, Limits, draft

__all__ = [
    "Draft",
    "Limits",
    "Machine",
    "Recipe",
    "Survey",
    "Wishes",
    "draft",
    "recipe_for",
    "recipe_of",
    "survey",
    "this_machine",
]
