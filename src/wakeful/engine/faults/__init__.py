"""How is it made to fail on purpose?"""
