"""Devices, CPU kernels, memory and ranks."""
