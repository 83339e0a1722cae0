"""Reading topics as they stand: what read models are made from, by whoever keeps one, without a group."""
