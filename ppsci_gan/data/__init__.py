"""Readers of data sets: files in, arrays out, images as uint8 and channels first."""
