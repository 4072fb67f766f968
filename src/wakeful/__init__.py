"""An always-on mind for the model on your own machine."""

__version__ = "0.1.0"
