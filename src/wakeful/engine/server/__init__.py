"""How does a request become an answer?"""
