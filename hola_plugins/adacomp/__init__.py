"""Adaptive retrieval: scores and sentences in, depth and context out. No host is imported here."""
