"""What else does the server offer? One file for each of its other endpoints."""
