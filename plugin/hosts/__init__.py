"""The CI systems that run us: how each hands in inputs and takes outputs, and what it knows of the source.

`__main__` and run come in, and scripts for the names; services never know which host they run on.
"""
