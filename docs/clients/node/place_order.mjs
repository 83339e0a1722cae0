// Places an order with kafkajs and follows it: LASTUNIT_KAFKA_BOOTSTRAP=host:port LASTUNIT_SCHEMAS=schemas node place_order.mjs
import kafkajs from 'kafkajs'
import { v7 as uuidv7 } from 'uuid'
import { commandsOf, decode, encode, PLACE_ORDER_LINE } from './contract.mjs'

const { Kafka, Partitioners, logLevel } = kafkajs
const namespace = process.env.LASTUNIT_NAMESPACE ?? '' // what the topics' names begin with, on a shared cluster
const events = `${namespace}order.events`
const kafka = new Kafka({ brokers: [process.env.LASTUNIT_KAFKA_BOOTSTRAP ?? 'localhost:9092'], logLevel: logLevel.ERROR })
const createPartitioner = Partitioners.DefaultPartitioner // murmur2, as Java; LegacyPartitioner puts SKUs elsewhere
const producer = kafka.producer({ createPartitioner, idempotent: true })
const consumer = kafka.consumer({ groupId: `orders-of-${uuidv7()}` })
const admin = kafka.admin()
await Promise.all([producer.connect(), consumer.connect(), admin.connect()])

const orderId = uuidv7()
const order = { order_id: orderId, customer_id: 'c-7', currency: 'GBP', payment_token: 'tok_ok' }
const commands = commandsOf(order, [
  { sku: 'MUG', quantity: 1, unit_price_minor: 1295 },
  { sku: 'TEA', quantity: 2, unit_price_minor: 450 },
  { sku: 'MUG', quantity: 1, unit_price_minor: 1295 }
])
const begins = await admin.fetchTopicOffsets(events) // before the order is placed, so that none of its events is missed

await producer.send({
  topic: `${namespace}inventory.commands`,
  acks: -1,
  messages: commands.map(command => ({ key: command.sku, value: encode(PLACE_ORDER_LINE, command) }))
})
console.log(`order ${orderId}`)

const over = await new Promise((resolve, reject) => {
  consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error))
  consumer.subscribe({ topic: events }).then(() => consumer.run({
    eachMessage: async ({ message }) => {
      if (String(message.key) !== orderId) return
      const { name, fields } = decode(message.value)
      console.log(name, JSON.stringify(fields))
      if (['OrderPaid', 'OrderRejected', 'OrderCancelled'].includes(name)) resolve(name)
    }
  })).then(() => begins.forEach(({ partition, offset }) => consumer.seek({ topic: events, partition, offset })), reject)
})
await Promise.all([producer.disconnect(), consumer.disconnect(), admin.disconnect()])
process.exitCode = over === 'OrderPaid' ? 0 : 1
