"""What every HTML page of this package is made of: the frame and its style, axes, SVG elements and numbers."""
