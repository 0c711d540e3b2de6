"""Who is calling: credentials, what they may do, and for which organisation and till."""
