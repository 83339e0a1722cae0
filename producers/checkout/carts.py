"""Carts in Valkey: one hash each, changed by one function only, so that concurrent changes are never lost.

Where functions are forbidden, as some managed servers do, the same Lua runs as a script. A cart holds no stock; prices in
it are what its owner saw, for display only. It lives in Valkey alone: what crashes can take of it is in docs/decisions, 053.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec
from redis.exceptions import NoPermissionError, NoScriptError, RedisError, ResponseError

from producers.errors import CartChangedError, CartFullError, CartsUnavailableError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable

    from redis.asyncio import Redis

MAX_CART_LINES: Final = 100
MAX_CART_UNITS: Final = 999
"""Units of one SKU in a cart."""
LIFETIME_S: Final = 90 * 24 * 3600
"""A cart that nobody touches for so long is forgotten."""
FUNCTION: Final = "lastunit_cart_2"
LIBRARY: Final = "lastunit_carts_2"

# A cart's fields: q:SKU units, s:SKU units that are saved for later, p:SKU price that was seen, _v version, _m what was
# done once (ids of merges and orders, the last 20). Versions begin at the time, so none comes back when a cart was dropped.
# Arguments: verb, version that is expected or '', lifetime, most lines,
# most units, id of what is done once or '', then quadruples of SKU, units, units saved for later, price seen or ''.
# Answer: what came of it ('ok', 'version', 'full'), and the cart as it is. What is not 'ok' has changed nothing, but that a
# merge takes what there is room for.
_LUA: Final = """
local function change(keys, args)
  local key, verb, expected, lifetime = keys[1], args[1], args[2], args[3]
  local most_lines, most_units, once = tonumber(args[4]), tonumber(args[5]), args[6]
  local function units(field) return tonumber(redis.call('HGET', key, field) or '0') end
  local function answer(status) return {status, redis.call('HGETALL', key)} end
  local version = units('_v')
  if expected ~= '' and tonumber(expected) ~= version then return answer('version') end
  if verb == 'drop' then
    redis.call('DEL', key)
    return answer('ok')
  end
  local done = redis.call('HGET', key, '_m') or ''
  if once ~= '' then
    if string.find(done, ' ' .. once .. ' ', 1, true) then return answer('ok') end
  end
  local old, lines = {}, 0
  for _, field in ipairs(redis.call('HKEYS', key)) do
    local kind = string.sub(field, 1, 2)
    if kind == 'q:' then old[#old + 1] = field end
    if kind == 'q:' or kind == 's:' then lines = lines + 1 end
  end
  if verb == 'add' or verb == 'set' or verb == 'replace' then
    local wanted, there = {}, lines
    if verb == 'replace' then there = lines - #old end
    for i = 7, #args, 4 do
      local field = 'q:' .. args[i]
      local is_new = verb == 'replace' or redis.call('HEXISTS', key, field) == 0
      if is_new and tonumber(args[i + 1]) > 0 and not wanted[field] then wanted[field] = true; there = there + 1 end
    end
    if next(wanted) and there > most_lines then return answer('full') end
  end
  if verb == 'replace' then
    for _, field in ipairs(old) do redis.call('HDEL', key, field) end
    lines = lines - #old
  end
  local status = 'ok'
  local function put(field, number)
    local known = redis.call('HEXISTS', key, field) == 1
    if number <= 0 then
      if known then redis.call('HDEL', key, field); lines = lines - 1 end
    elseif not known and lines >= most_lines then
      status = 'full'
    else
      if not known then lines = lines + 1 end
      redis.call('HSET', key, field, math.min(number, most_units))
    end
  end
  for i = 7, #args, 4 do
    local sku, number, saved, price = args[i], tonumber(args[i + 1]), tonumber(args[i + 2]), args[i + 3]
    local now, later = 'q:' .. sku, 's:' .. sku
    if verb == 'add' then put(now, units(now) + number)
    elseif verb == 'set' or verb == 'replace' then put(now, number)
    elseif verb == 'remove' then put(now, 0); put(later, 0)
    elseif verb == 'unsave' then put(later, 0)
    elseif verb == 'take' then put(now, units(now) - number)
    elseif verb == 'merge' then
      if number > 0 then put(now, math.max(units(now), number)) end
      if saved > 0 then put(later, math.max(units(later), saved)) end
    elseif verb == 'later' then
      local moved = units(now)
      put(now, 0); put(later, units(later) + moved)
    elseif verb == 'back' then
      local moved = units(later)
      put(later, 0); put(now, units(now) + moved)
    end
    if units(now) == 0 and units(later) == 0 then redis.call('HDEL', key, 'p:' .. sku)
    elseif price ~= '' then redis.call('HSET', key, 'p:' .. sku, price) end
  end
  if once ~= '' then
    done = done .. ' ' .. once .. ' '
    local ids = {}
    for id in string.gmatch(done, '%S+') do ids[#ids + 1] = id end
    local kept = ''
    for i = math.max(1, #ids - 19), #ids do kept = kept .. ' ' .. ids[i] .. ' ' end
    redis.call('HSET', key, '_m', kept)
  end
  if version == 0 then version = tonumber(redis.call('TIME')[1]) * 1000 end
  redis.call('HSET', key, '_v', version + 1)
  redis.call('EXPIRE', key, lifetime)
  return answer(status)
end
"""
_LIBRARY: Final = f"#!lua name={LIBRARY}\n{_LUA}\nredis.register_function('{FUNCTION}', change)\n"
_SCRIPT: Final = f"{_LUA}\nreturn change(KEYS, ARGV)\n"


class CartLine(msgspec.Struct, frozen=True):
    """Units of a SKU, and what one cost when its owner saw it (minor units; None: never seen)."""

    sku: str
    quantity: int
    seen_minor: int | None = None


class Cart(msgspec.Struct, frozen=True):
    """A cart as it is: what is to be bought, and what is saved for later, by SKU. `version` grows with each change."""

    cart_id: str
    version: int = 0
    lines: tuple[CartLine, ...] = ()
    saved: tuple[CartLine, ...] = ()

    @property
    def units(self) -> int:
        """How many units are to be bought."""
        return sum(line.quantity for line in self.lines)


class Carts:
    """Reads and changes carts. Every method raises CartsUnavailableError where Valkey does not answer."""

    def __init__(self, redis: Redis, namespace: str = "") -> None:
        self._redis, self._namespace = redis, namespace
        self._has_functions = True
        self._script_sha = ""

    async def read(self, cart_id: str) -> Cart:
        """Return a cart; one that was never changed is empty."""
        try:
            fields = await cast("Awaitable[dict[bytes, bytes]]", self._redis.hgetall(self._key(cart_id)))
        except (RedisError, OSError, TimeoutError) as error:
            raise CartsUnavailableError(str(error)) from error
        return _cart(cart_id, fields)

    async def add(self, cart_id: str, lines: Iterable[CartLine]) -> Cart:
        """Add units; no SKU comes to more than MAX_CART_UNITS. Raises CartFullError beyond MAX_CART_LINES: none is added."""
        return await self._change(cart_id, "add", [(line, 0) for line in lines])

    async def set(self, cart_id: str, line: CartLine, version: int | None = None) -> Cart:
        """Set how many units of a SKU are to be bought, 0 for none. Raises CartChangedError, CartFullError."""
        return await self._change(cart_id, "set", [(line, 0)], version=version)

    async def replace(self, cart_id: str, lines: Iterable[CartLine], version: int | None = None) -> Cart:
        """Put these lines in the place of all that are to be bought. Raises CartChangedError, CartFullError."""
        return await self._change(cart_id, "replace", [(line, 0) for line in lines], version=version)

    async def remove(self, cart_id: str, sku: str, version: int | None = None) -> Cart:
        """Take a SKU out, what is saved of it too. Raises CartChangedError."""
        return await self._change(cart_id, "remove", [(CartLine(sku, 0), 0)], version=version)

    async def unsave(self, cart_id: str, sku: str) -> Cart:
        """Take out what is saved of a SKU for later."""
        return await self._change(cart_id, "unsave", [(CartLine(sku, 0), 0)])

    async def save_for_later(self, cart_id: str, sku: str) -> Cart:
        """Move a line to what is saved for later."""
        return await self._change(cart_id, "later", [(CartLine(sku, 0), 0)])

    async def put_back(self, cart_id: str, sku: str) -> Cart:
        """Move what is saved for later to what is to be bought."""
        return await self._change(cart_id, "back", [(CartLine(sku, 0), 0)])

    async def take(self, cart_id: str, lines: Iterable[CartLine], once: str) -> Cart:
        """Take out what an order wants, once for each id."""
        return await self._change(cart_id, "take", [(line, 0) for line in lines], once=once)

    async def restore(self, cart_id: str, lines: Iterable[CartLine]) -> Cart:
        """Put back what an order wanted: of each SKU at least so much, however often this is asked. Raises CartFullError."""
        return await self._change(cart_id, "merge", [(line, 0) for line in lines])

    async def erase(self, cart_id: str, version: int | None = None) -> None:
        """Forget a cart and all that was in it. Raises CartChangedError."""
        await self._change(cart_id, "drop", [], version=version)

    async def merge(self, source_id: str, target_id: str) -> Cart:
        """Move a cart into another one, of each SKU the larger quantity; repeated, or cut short and repeated, it is the same.

        In a cluster the two lie in different slots, so it has two phases: what the source holds is merged under an id that
        names its version, then the source is dropped if it is still at that version.
        """
        if source_id == target_id:
            return await self.read(target_id)
        source = await self.read(source_id)
        pairs = [(line, 0) for line in source.lines]
        pairs += [(CartLine(line.sku, 0, line.seen_minor), line.quantity) for line in source.saved]
        if not pairs:
            return await self.read(target_id)
        merged = await self._change(target_id, "merge", pairs, once=f"{source_id}@{source.version}")
        try:
            await self._change(source_id, "drop", [], version=source.version)
        except CartChangedError:
            return await self.merge(source_id, target_id)
        return merged

    def _key(self, cart_id: str) -> str:
        return f"{self._namespace}cart:{{{cart_id}}}"

    async def _change(
        self,
        cart_id: str,
        verb: str,
        lines: Iterable[tuple[CartLine, int]],
        *,
        version: int | None = None,
        once: str = "",
    ) -> Cart:
        expected = "" if version is None else str(version)
        arguments = [verb, expected, str(LIFETIME_S), str(MAX_CART_LINES), str(MAX_CART_UNITS), once]
        for line, saved in lines:
            seen = "" if line.seen_minor is None else str(line.seen_minor)
            arguments += [line.sku, str(line.quantity), str(saved), seen]
        try:
            status, flat = await self._call(self._key(cart_id), arguments)
        except (RedisError, OSError, TimeoutError) as error:
            raise CartsUnavailableError(str(error)) from error
        cart = _cart(cart_id, dict(zip(flat[::2], flat[1::2], strict=True)))
        if status == b"version":
            raise CartChangedError(f"The cart is at version {cart.version}; read it again.", cart.version)
        if status == b"full":
            raise CartFullError(f"A cart has at most {MAX_CART_LINES} different articles.")
        return cart

    async def _call(self, key: str, arguments: list[str]) -> Any:
        """Run the function, loaded again where the server has lost it, or the script where functions are forbidden."""
        if self._has_functions:
            try:
                try:
                    return await self._answer(self._redis.fcall(FUNCTION, 1, key, *arguments))
                except ResponseError as error:
                    if "function not found" not in str(error).lower():
                        raise
                await self._answer(self._redis.function_load(_LIBRARY, replace=True))
                return await self._answer(self._redis.fcall(FUNCTION, 1, key, *arguments))
            except ResponseError as error:
                if not isinstance(error, NoPermissionError) and "unknown command" not in str(error).lower():
                    raise
                self._has_functions = False
        if self._script_sha:
            try:
                return await self._answer(self._redis.evalsha(self._script_sha, 1, key, *arguments))
            except NoScriptError:
                pass
        self._script_sha = await self._answer(self._redis.script_load(_SCRIPT))
        return await self._answer(self._redis.evalsha(self._script_sha, 1, key, *arguments))

    @staticmethod
    async def _answer(answer: Any) -> Any:
        return await answer


def cart_digest(cart_id: str) -> str:
    """Return what the log has of a cart's id: whoever has a guest's id has the cart."""
    return blake2b(cart_id.encode(), digest_size=12).hexdigest()


def _cart(cart_id: str, fields: dict[bytes, bytes]) -> Cart:
    texts = {name.decode(): value.decode() for name, value in fields.items()}

    def lines(kind: str) -> tuple[CartLine, ...]:
        own = sorted((name[2:], int(value)) for name, value in texts.items() if name.startswith(kind))
        seen = {sku: texts.get(f"p:{sku}") for sku, _ in own}
        return tuple(CartLine(sku, units, int(price) if (price := seen[sku]) else None) for sku, units in own)

    return Cart(cart_id, int(texts.get("_v", "0")), lines("q:"), lines("s:"))
