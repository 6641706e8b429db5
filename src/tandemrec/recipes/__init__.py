"""Each paper, top to bottom, as a sequence of stages."""
