"""Serve an adapter that passed the gate: ask the server what it takes, put the model beside the incumbent, move one pointer, or move it back."""
