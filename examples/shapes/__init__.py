"""A little world of drawn landscapes: scenes with ground truth, and the demo checkpoint trained on them."""
