"""Tests of plugin/hosts."""
