"""The parts of a detector, and the detector."""
