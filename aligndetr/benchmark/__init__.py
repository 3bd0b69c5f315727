"""How long a detector takes for its images, whatever runs it."""
