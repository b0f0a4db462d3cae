"""One command a file; each module holds a click command named `command`."""
