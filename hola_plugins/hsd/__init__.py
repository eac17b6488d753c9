"""Hierarchical speculative decoding: token ids in, drafts out. No host is imported here."""
