"""Engines against the reference: replayed assignments, flips, budgets."""
