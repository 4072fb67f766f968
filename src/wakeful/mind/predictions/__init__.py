"""Predictions: claims that the program checks, and how good the mind is at them."""
