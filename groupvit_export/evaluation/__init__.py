"""How good a bundle's masks are on pictures with ground truth. Needs the runtime only, no PyTorch."""
