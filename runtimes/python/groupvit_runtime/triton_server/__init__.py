"""The model `groupvit_segment` of Triton Inference Server.

`groupvit triton` writes the repository; the server needs this package, an engine, and no PyTorch.
"""
