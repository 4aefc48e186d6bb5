"""The program with every service."""
