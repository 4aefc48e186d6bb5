"""The inputs: schema.json as records, the host's text as values, and all problems at once.

Everyone above the ground may come in; it uses the ground alone. Door: check.
"""
