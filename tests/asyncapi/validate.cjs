// Prints, for each file named, how AsyncAPI's own parser judges it: one JSON document. It takes Avro as it comes, so its
// Avro part is asked about each schema, and a second implementation of Avro writes each example.
const fs = require("node:fs");
const { createRequire } = require("node:module");

const installed = createRequire(`${process.cwd()}/`); // the packages are where this is run
const { Parser } = installed("@asyncapi/parser");
const { AvroSchemaParser } = installed("@asyncapi/avro-schema-parser");
const { Type } = createRequire(installed.resolve("@asyncapi/avro-schema-parser"))("avsc");

const ERROR = 0;
const avro = AvroSchemaParser();

async function avroFaults([name, message]) {
  const at = `components.messages.${name}`;
  const schema = message.payload["x-parser-original-payload"];
  const wrong = (await avro.validate({ data: schema, path: [at] })).map((it) => it.message);
  if (!wrong.length && message.examples) wrong.push(...exampleFaults(schema, message));
  return wrong.map((text) => ({ severity: ERROR, code: "avro", at, message: text }));
}

function exampleFaults(schema, message) {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message["x-schema-id"], 1);
  try {
    const written = Buffer.concat([head, Type.forSchema(schema).toBuffer(message.examples[0].payload)]).toString("hex");
    return written === message["x-example-value"] ? [] : [`the example is ${written}`];
  } catch (error) {
    return [error.message];
  }
}

async function judge(parser, path) {
  const { document, diagnostics } = await parser.parse(fs.readFileSync(path, "utf8"), { source: path });
  const faults = diagnostics.map(({ severity, code, path: at, message }) => ({ severity, code, at: at.join("."), message }));
  if (!document) return { faults, channels: [], operations: {} };
  const messages = Object.entries(document.json().components.messages);
  return {
    faults: faults.concat(...(await Promise.all(messages.map(avroFaults)))),
    channels: document.channels().all().map((channel) => channel.address()),
    operations: Object.fromEntries(
      document.operations().all().map((it) => [it.id(), it.messages().all().map((message) => message.name())]),
    ),
  };
}

async function main() {
  const parser = new Parser();
  parser.registerSchemaParser(avro);
  const judged = [];
  for (const path of process.argv.slice(2)) judged.push(await judge(parser, path));
  process.stdout.write(JSON.stringify(judged));
}

main();
