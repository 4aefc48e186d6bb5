"""Tests of plugin/sandbox."""
