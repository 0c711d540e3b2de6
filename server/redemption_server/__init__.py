"""The redemption server: business rules behind a gRPC door, decided in batches over SQL."""
