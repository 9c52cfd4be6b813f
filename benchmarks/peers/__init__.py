"""The examples' networks and losses once more, in PyTorch: ours are compared with them, results in tests, time here.

Nothing in this package needs Paddle. Networks are functions of a state: weights by our names and in our layouts, so
that there is nothing to convert but arrays, in either direction.
"""
