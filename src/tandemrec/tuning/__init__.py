"""Instruction sets, and the tuning of a language model on them."""
