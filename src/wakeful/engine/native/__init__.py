"""How do LM Studio's own SDKs speak to it?"""
