"""The shell scripts of the hot path, as package data."""
