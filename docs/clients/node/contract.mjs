// Lastunit's messages for Node: Avro in Confluent's wire format, by the files of its folder schemas/.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import avro from 'avsc'

const folder = process.env.LASTUNIT_SCHEMAS ?? 'schemas'
const types = new Map()

// The id of the version of PlaceOrderLine that these programs were written for: ids never change.
export const PLACE_ORDER_LINE = 98

// The schema that a record was written by: the one of the id in the record, not the newest.
function typeOf (id) {
  if (!types.has(id)) {
    types.set(id, avro.Type.forSchema(JSON.parse(readFileSync(join(folder, 'history', `${id}.avsc`), 'utf8'))))
  }
  return types.get(id)
}

// Returns the bytes of a message, by the schema of this id. Throws where a field is missing or of another type.
export function encode (id, fields) {
  const head = Buffer.alloc(5)
  head.writeInt32BE(id, 1)
  return Buffer.concat([head, typeOf(id).toBuffer(fields)])
}

// Returns the name and the fields of a message, whichever version of its schema wrote it.
export function decode (value) {
  const type = typeOf(value.readInt32BE(1))
  return { name: type.name.replace('lastunit.', ''), fields: type.fromBuffer(value.subarray(5)) }
}

// Returns one command for each line of an order; `demand` counts what this line and those after it want of its SKU.
export function commandsOf (order, lines) {
  return lines.map((line, index) => ({
    hold_seconds: 900,
    cart_id: '',
    terms: '',
    reference: '',
    ...order,
    ...line,
    line: index + 1,
    line_count: lines.length,
    demand: lines.slice(index).filter(({ sku }) => sku === line.sku).reduce((sum, { quantity }) => sum + quantity, 0)
  }))
}
