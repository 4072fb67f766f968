"""How do other programs use the client in the shapes that they know?"""
