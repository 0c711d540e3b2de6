"""What tests share: databases, a running service, builders of commands. No mocks; a fake clock only."""
