// The same with @platformatic/kafka (Node 20.19 or newer). Its default partitioner is not Java's: name the one that is.
import { compatibilityPartitioner, Consumer, Producer } from '@platformatic/kafka'
import { v7 as uuidv7 } from 'uuid'
import { commandsOf, decode, encode, PLACE_ORDER_LINE } from './contract.mjs'

const namespace = process.env.LASTUNIT_NAMESPACE ?? ''
const events = `${namespace}order.events`
const common = { clientId: 'shop', bootstrapBrokers: [process.env.LASTUNIT_KAFKA_BOOTSTRAP ?? 'localhost:9092'] }
const producer = new Producer({ ...common, partitioner: compatibilityPartitioner, idempotent: true })
const consumer = new Consumer({ ...common, groupId: `orders-of-${uuidv7()}` })

const orderId = uuidv7()
const order = { order_id: orderId, customer_id: 'c-7', currency: 'GBP', payment_token: 'tok_ok' }
const commands = commandsOf(order, [
  { sku: 'MUG', quantity: 1, unit_price_minor: 1295 },
  { sku: 'TEA', quantity: 2, unit_price_minor: 450 },
  { sku: 'MUG', quantity: 1, unit_price_minor: 1295 }
])
const ends = (await consumer.listOffsets({ topics: [events] })).get(events) // before the order is placed
const offsets = ends.map((offset, partition) => ({ topic: events, partition, offset }))
const stream = await consumer.consume({ topics: [events], mode: 'manual', offsets, autocommit: false, maxWaitTime: 500 })

await producer.send({
  acks: -1,
  messages: commands.map(command => ({
    topic: `${namespace}inventory.commands`,
    key: Buffer.from(command.sku),
    value: encode(PLACE_ORDER_LINE, command)
  }))
})
console.log(`order ${orderId}`)

for await (const message of stream) {
  if (String(message.key) !== orderId) continue
  const { name, fields } = decode(message.value)
  console.log(name, JSON.stringify(fields))
  if (!['OrderPaid', 'OrderRejected', 'OrderCancelled'].includes(name)) continue
  process.exitCode = name === 'OrderPaid' ? 0 : 1
  break
}
await consumer.close(true)
await producer.close()
