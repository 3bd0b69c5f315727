"""Exists for the compiled part; everything else is in pyproject.toml."""

from setuptools import setup

setup()
