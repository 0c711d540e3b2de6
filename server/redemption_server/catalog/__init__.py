"""Catalog files and messages: read, checked, applied whole or not at all.

The value type of the catalog is its protobuf message; a file is only another way to write one.
"""
