"""More training data, written by the language model."""
