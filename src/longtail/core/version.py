"""The version of longtail."""

__version__ = "0.1.0"
