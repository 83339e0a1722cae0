"""Buying: carts, what a checkout quotes, and the order that a quote becomes."""
