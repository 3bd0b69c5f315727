"""Experiments that anyone can repeat: each module trains, evaluates and writes a page of docs."""
