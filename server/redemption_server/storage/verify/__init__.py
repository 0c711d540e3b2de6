"""Checks that what is recorded agrees with itself. Reads one snapshot and changes nothing."""
