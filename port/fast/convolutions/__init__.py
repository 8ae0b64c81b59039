"""Convolutions: the algorithms, and the one place that chooses among them (choice.py)."""
