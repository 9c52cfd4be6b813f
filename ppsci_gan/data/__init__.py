"""Readers of data sets: files in, dicts of arrays out, images as uint8 and channel first."""
