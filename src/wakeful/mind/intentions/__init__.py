"""Intentions: what the user wants kept in mind, said in plain words."""
