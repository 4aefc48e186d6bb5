"""Tests of plugin/services/phonegap_build."""
