"""Tests of plugin/services/bitrise_release_management."""
