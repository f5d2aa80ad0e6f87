"""Weights, configuration, tokenizer and preprocessing of a trained model, as they are published."""
