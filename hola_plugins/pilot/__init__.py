"""Staged measurement: one method at a time, then together, and a report to decide on."""
