"""How good a bundle's masks are on images with ground truth. Needs the runtime only, no PyTorch."""
