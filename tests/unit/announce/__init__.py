"""Tests of what people elsewhere are told."""
