"""Tests of plugin/inputs."""
