"""One module an agent: its payloads, field by field, turned into observations."""
