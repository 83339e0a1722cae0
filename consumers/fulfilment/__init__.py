"""The fulfilment room."""
