"""Which query answers for which object."""
