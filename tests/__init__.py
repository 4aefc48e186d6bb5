"""Tests of buildferry."""
