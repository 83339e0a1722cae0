-- What waits behind a dead letter of a SKU (docs/decisions, 051): JSON of consumers/inventory/parking.py, empty where nothing has to.

ALTER TABLE stock ADD COLUMN parking text NOT NULL DEFAULT '';
