"""Where and how fast things are computed: devices, the CPU's kernels, memory, ranks."""
