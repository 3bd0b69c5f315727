"""Lazy configs."""
