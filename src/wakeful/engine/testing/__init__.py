"""How do tests use it?"""
