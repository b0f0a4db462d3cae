"""Decide: a library that takes records and gives numbers and choices. Knows no GitHub, no Ollama, no agent."""
