"""The program on the network."""
