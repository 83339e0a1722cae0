"""The HTTP API: order and stock commands in, where orders and stock stand out."""
