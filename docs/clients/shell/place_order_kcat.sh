#!/usr/bin/env bash
# Places an order with kcat alone and follows it: Avro's bytes are few enough to be written by printf.
# LASTUNIT_KAFKA_BOOTSTRAP=host:port ./place_order_kcat.sh
set -euo pipefail
export LC_ALL=C # lengths count bytes
bootstrap=${LASTUNIT_KAFKA_BOOTSTRAP:-localhost:9092} namespace=${LASTUNIT_NAMESPACE:-}

byte() { printf '%b' "\\x$(printf '%02x' "$1")"; }

number() { # Avro's int and long: zigzag, 7 bits a byte, the lowest first
  local left=$((($1 << 1) ^ ($1 >> 63)))
  while ((left > 127)); do byte $((left & 127 | 128)); left=$((left >> 7)); done
  byte "$left"
}

text() { number "${#1}"; printf '%s' "$1"; }

uuid7() { # 48 bits of time, then random ones
  local random time
  random=$(od -An -N10 -tx1 /dev/urandom | tr -d ' \n')
  time=$(printf '%012x' "$(date +%s%3N)")
  printf '%s-%s-7%s-8%s-%s\n' "${time:0:8}" "${time:8}" "${random:0:3}" "${random:3:3}" "${random:6:12}"
}

place_order_line() { # ORDER LINE LINE_COUNT SKU QUANTITY DEMAND UNIT_PRICE_MINOR: the fields of schemas/history/98.avsc, in its order
  byte 0 && byte 0 && byte 0 && byte 0 && byte 98
  text "$1" && number "$2" && number "$3" && text "$4" && number "$5" && number "$6" && number "$7"
  text GBP && text c-7 && text tok_ok && number 900 && text '' && text '' && text ''
}

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
publish() { # KEY FILE, partitioned as Java does; kcat's own default, CRC32, puts a SKU elsewhere than everybody else does
  kcat -P -b "$bootstrap" -t "${namespace}inventory.commands" -X partitioner=murmur2_random -X acks=all -k "$1" "$2"
}

began=$(date +%s%3N)
order=$(uuid7)
place_order_line "$order" 1 3 MUG 1 2 1295 >"$folder/1" # demand: this line and the third want two mugs together
place_order_line "$order" 2 3 TEA 2 2 450 >"$folder/2"
place_order_line "$order" 3 3 MUG 1 1 1295 >"$folder/3"
publish MUG "$folder/1"
publish TEA "$folder/2"
publish MUG "$folder/3"
echo "order $order"

# Its events, of the last minute and as they come: key, the zero byte and the schema's id, whose name is in schemas/lock.json.
while read -r key id; do
  [ "$key" = "$order" ] || continue
  id=${id#0}
  name=$(sed -n "s/^ *\"$id\": {\"name\": \"lastunit\.\([A-Za-z]*\)\".*/\1/p" "${LASTUNIT_SCHEMAS:-schemas}/lock.json")
  echo "$name"
  case $name in OrderPaid) exit 0 ;; OrderRejected | OrderCancelled) exit 1 ;; esac
done < <(exec timeout 60 kcat -C -u -q -b "$bootstrap" -t "${namespace}order.events" -o "s@$((began - 60000))" \
  -s value='b>I' -f '%k %s\n' 2>/dev/null) # it complains when the loop ends before its input does
echo "nothing ended the order within a minute" >&2
exit 2
