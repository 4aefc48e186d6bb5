"""buildferry: one CI step that creates builds, uploads artifacts, follows and aborts them on distribution services."""

__version__ = "1.0.0"
