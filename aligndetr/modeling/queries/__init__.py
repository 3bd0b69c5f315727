"""Queries: what the decoder starts from, where they come from, and their positions."""
