"""Measurements: each compares A with B in one run, in alternation, and prints ratios."""
