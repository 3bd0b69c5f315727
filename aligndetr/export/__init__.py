"""Detectors as files that run without this package, each proved on the spot."""
