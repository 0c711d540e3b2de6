"""A storm: very many racing calls against real servers, and an exact look at what they left."""
