"""Which model files are there, and what do they say of themselves?"""
