"""What is a model asked, and what does it say?"""
