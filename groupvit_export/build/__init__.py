"""Checkpoint to graphs to engines; nothing is judged here."""
