#!/usr/bin/env bash
# Places an order over HTTP and follows it. API=http://127.0.0.1:PORT ./place_order_curl.sh; beyond loopback with KEY=lastunit_...
set -euo pipefail
show=(curl --silent --show-error --fail-with-body ${KEY:+--header "Authorization: Bearer $KEY"})

# The same key makes the same order, however often it is sent: keep it until there is an answer.
idempotency_key=$(cat /proc/sys/kernel/random/uuid)
answer=$("${show[@]}" "$API/v1/orders" --retry 5 --retry-connrefused \
  --header 'Content-Type: application/json' --header "Idempotency-Key: $idempotency_key" --data '{
    "customer_id": "c-7", "currency": "GBP", "payment_token": "tok_ok",
    "lines": [
      {"sku": "MUG", "quantity": 1, "unit_price_minor": 1295},
      {"sku": "TEA", "quantity": 2, "unit_price_minor": 450},
      {"sku": "MUG", "quantity": 1, "unit_price_minor": 1295}]}')
order=$(sed 's/.*"order_id": *"\([^"]*\)".*/\1/' <<<"$answer")
echo "order $order"

# Its events so far, then as they come (server-sent events). The API makes its id, its `demand` and its partition.
status=2
while read -r field name; do
  [ "$field" = event: ] || continue
  echo "$name"
  case $name in OrderPaid) status=0 ;; OrderRejected | OrderCancelled) status=1 ;; *) continue ;; esac
  break
done < <(exec "${show[@]}" --no-show-error --no-buffer --max-time 60 "$API/v1/orders/$order/events")
exit "$status"
