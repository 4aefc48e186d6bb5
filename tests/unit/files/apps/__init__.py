"""Tests of what apps say of themselves."""
