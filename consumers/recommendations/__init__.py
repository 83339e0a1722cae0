"""What else somebody may want: learned from paid orders, refused where it would be worse than what is there."""
