"""Tables cut by week: which weeks there are, making them ahead, dropping them."""
