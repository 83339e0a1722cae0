"""Takes in what the outside asks of an order: checked once, appended to the orders' log."""
