"""How many tokens does a text have, and did the server read them all?"""
