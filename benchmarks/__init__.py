"""Whole processes side by side with curl and others, against a server that only drains: `python -m benchmarks`."""
