"""Figures: each module measures one thing against a named baseline where there is one; `python -m bench` runs all."""
