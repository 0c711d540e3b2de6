"""Customers and codes by the million: CSV files in and out, and codes made up, in chunks."""
