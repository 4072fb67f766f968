"""Metacognition: how well the mind does, in numbers, and what it may change about itself because of them."""
