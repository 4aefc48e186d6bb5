"""The program and its inputs."""
