"""Improve: the jobs, each a plain function from records to a file and a verdict."""
