"""Metrics: pure functions over (gold, answers), and one table of them."""
