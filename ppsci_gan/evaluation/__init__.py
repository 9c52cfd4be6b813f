"""What is scored, with how many samples, and how scores are reported."""
