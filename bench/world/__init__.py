"""A world in a box."""
