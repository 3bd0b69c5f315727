"""Exported files: what they say of themselves, what they take, and who runs them."""
