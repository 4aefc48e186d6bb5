"""Attacks on the real program beside the real sandbox, which count what was lost or doubled: `python -m attacks`."""
