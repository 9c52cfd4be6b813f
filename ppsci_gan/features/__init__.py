"""Feature extractors for the scores: images in, features and class probabilities out."""
