"""How do LM Studio's own REST interfaces speak to it?"""
