"""The ways to run GroupViT that a user would otherwise have, timed in turn with our bundles."""
