"""Engines and object stores, real ones: make test-cluster."""
