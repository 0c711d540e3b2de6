"""A soak: very many good, bad and abandoned calls to both doors, and what they leave behind."""
