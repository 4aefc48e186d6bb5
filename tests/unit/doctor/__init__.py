"""The doctor's parts, without a process."""
