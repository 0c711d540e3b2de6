"""The queue in which calls gather, and the batch that decides and commits them together."""
