"""Tests of plugin/services/bitrise."""
