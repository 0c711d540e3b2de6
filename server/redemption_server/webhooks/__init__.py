"""Webhooks: organisations are told what happened, at least once and in order."""
