"""What the shop offers: decides every change of a product, one partition of products at a time."""
