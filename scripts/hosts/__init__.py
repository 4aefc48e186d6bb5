"""What is made for each CI system, a module for each: `made` gives its files by path, as they must be.

scripts/manifests.py finds the modules in this folder: for a new host add one.
"""
