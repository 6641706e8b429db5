"""Interactions, the catalogue behind them, and how they are read and split."""
