"""Networks whose features the scores compare: images in, features and class probabilities out."""
