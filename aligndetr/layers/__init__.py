"""Building blocks without state of their own kind: boxes, embeddings, attention."""
