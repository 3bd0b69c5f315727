"""Boxes, names and scores on images."""
