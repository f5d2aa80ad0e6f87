"""What needs a GPU, in one command: `make gpu`, which is `python -m benchmarks.gpu`."""
