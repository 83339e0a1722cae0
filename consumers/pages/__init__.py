"""What the shop shows of a product: made from the catalogue and the stock levels, and made again when either changes."""
