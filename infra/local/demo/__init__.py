"""The demonstration: orders race for stock that is not enough for all, and the books are checked afterwards."""
