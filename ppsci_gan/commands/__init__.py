"""The command-line tools beside the examples: python -m ppsci_gan.commands.<name>."""
