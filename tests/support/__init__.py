"""What tests share: databases, a running service, builders of commands. The clock alone is fake."""
