"""Tests of plugin/rest."""
