"""What other systems reach by HTTP."""
