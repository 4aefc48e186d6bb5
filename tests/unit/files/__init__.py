"""Tests of plugin/files."""
