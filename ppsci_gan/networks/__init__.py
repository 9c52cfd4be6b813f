"""The generators and critics of all examples, and what they are made of."""
