"""What runs Jenkins pipelines without Jenkins."""
