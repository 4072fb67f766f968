"""Which models are there, which are loaded, and how is that changed?"""
