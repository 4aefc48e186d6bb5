"""The program on every CI host."""
