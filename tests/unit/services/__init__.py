"""Tests of plugin/services."""
