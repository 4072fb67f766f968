"""How does llama.cpp run a model, and come back when it dies?"""
