"""How do OpenAI's and Anthropic's clients speak to it?"""
