"""Dead letters: what no room could process, what became of each, and sending them on their way again."""
