"""The program and its files."""
