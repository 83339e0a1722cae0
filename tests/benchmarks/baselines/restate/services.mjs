// The services of restate_object.py and sagas/restate_saga.py with Restate's JavaScript SDK: the same handlers, names and state.
//
// node services.mjs PORT FOLDER PROCESSOR_MS OPENING: OPENING says with how many units a SKU opens, as JSON. On SIGTERM what the
// processor moved is left in FOLDER/moved.json. BENCH_NPM names the folder that holds node_modules.

import { writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

// The SDK wants a function of Node 22, which Node 20 lacks.
Promise.withResolvers ??= () => {
  const resolvers = {};
  resolvers.promise = new Promise((resolve, reject) => Object.assign(resolvers, { resolve, reject }));
  return resolvers;
};

const restate = createRequire(join(process.env.BENCH_NPM, "package.json"))("@restatedev/restate-sdk");
const [port, folder, processorMs, openingJson] = process.argv.slice(2);
const opening = JSON.parse(openingJson);
const opensWith = (sku) => opening.others[sku] ?? opening.units;

const stock = restate.object({
  name: "Stock",
  options: { enableLazyState: true },
  handlers: {
    // Sell one line; return whether the units were there.
    place: async (context, order) => {
      const available = (await context.get("available")) ?? opensWith(context.key);
      if (available < order.quantity) return false;
      context.set("available", available - order.quantity);
      context.set(`hold/${order.order_id}`, [order.quantity, order.expires_at_ms]);
      return true;
    },
    reserve: async (context, wanted) => {
      const available = (await context.get("available")) ?? opensWith(context.key);
      if (available < wanted.quantity) return false;
      context.set("available", available - wanted.quantity);
      context.set(`hold/${wanted.order_id}`, [wanted.quantity, wanted.expires_at_ms, "reserved"]);
      return true;
    },
    commit: async (context, orderId) => {
      const hold = await context.get(`hold/${orderId}`);
      if (hold === null) return false;
      context.set(`hold/${orderId}`, [hold[0], hold[1], "allocated"]);
      return true;
    },
    give_back: async (context, orderId) => {
      const hold = await context.get(`hold/${orderId}`);
      if (hold === null) return;
      context.set("available", (await context.get("available")) + hold[0]);
      context.clear(`hold/${orderId}`);
    },
  },
});

// What the processor moved, in minor units, by operation: asked twice under one id it counts once.
const moved = { authorize: {}, capture: {}, void: {}, refund: {} };

// Return why not, empty where it was done; the tokens are those of sagas/processor.py.
async function ask(placed, kind) {
  if (Number(processorMs)) await new Promise((resolve) => setTimeout(resolve, Number(processorMs)));
  if (kind === "authorize" && placed.payment_token === "tok_declined") return "card_declined";
  if (kind === "capture" && placed.payment_token === "tok_capture_fails") return "capture_failed";
  moved[kind][placed.order_id] = placed.lines.reduce((sum, line) => sum + line.quantity * line.unit_price_minor, 0);
  return "";
}

const checkout = restate.service({
  name: "Checkout",
  handlers: {
    // Return the ending, as in `Placed.outcome` of sagas/order.py.
    place: async (context, known) => {
      const { placed } = known;
      const skus = placed.lines.map((line) => line.sku);
      const of = (sku) => context.objectClient({ name: "Stock" }, sku);
      const all = (calls) => restate.RestatePromise.all(calls);
      const release = (held) => all(held.map((sku) => of(sku).give_back(placed.order_id)));
      const asked = (kind) => context.run(kind, () => ask(placed, kind));

      const got = await all(
        placed.lines.map((line) =>
          of(line.sku).reserve({
            order_id: placed.order_id,
            expires_at_ms: known.expires_at_ms,
            quantity: line.quantity,
          }),
        ),
      );
      if (!got.every(Boolean)) {
        await release(skus.filter((_, index) => got[index]));
        return "rejected:insufficient_stock";
      }
      const declined = await asked("authorize");
      if (declined) {
        await release(skus);
        return `rejected:${declined}`;
      }
      const committed = await all(skus.map((sku) => of(sku).commit(placed.order_id)));
      const reason = committed.every(Boolean) ? await asked("capture") : "hold_expired";
      if (reason) {
        await asked("void");
        await release(skus);
        return `cancelled:${reason}`;
      }
      return "paid";
    },
  },
});

process.on("SIGTERM", () => {
  const sums = Object.entries(moved).map(([kind, amounts]) => [kind, Object.values(amounts).reduce((a, b) => a + b, 0)]);
  writeFileSync(join(folder, "moved.json"), JSON.stringify(Object.fromEntries(sums)));
  process.exit(0);
});
await restate.serve({ services: [stock, checkout], port: Number(port) });
