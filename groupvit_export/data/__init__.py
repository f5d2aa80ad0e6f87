"""What the package ships: the demo checkpoint and drawn scenes."""
