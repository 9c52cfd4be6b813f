"""The generators and critics of all examples, and their layers."""
