-- name: our_books
SELECT (SELECT coalesce(sum(on_hand), 0)::bigint FROM stock) AS on_hand,
       (SELECT coalesce(sum(reserved), 0)::bigint FROM stock) AS reserved,
       (SELECT coalesce(sum(allocated), 0)::bigint FROM stock) AS allocated,
       p.held_minor, p.captured_minor,
       (SELECT count(*) FROM outbox) AS unpublished
FROM (
    SELECT coalesce(sum(authorized_minor - captured_minor - voided_minor), 0)::bigint AS held_minor,
           coalesce(sum(captured_minor - refunded_minor), 0)::bigint AS captured_minor
    FROM payments
) p;

-- name: our_positions
SELECT room, sum(next)::bigint AS read FROM claims, unnest(next_offsets) AS next GROUP BY room;

-- name: orchestrators_books
SELECT s.on_hand, s.taken - o.allocated AS reserved, o.allocated, o.held_minor, o.captured_minor,
       (SELECT count(*) FROM outbox) AS unpublished
FROM (SELECT coalesce(sum(on_hand), 0)::bigint AS on_hand, coalesce(sum(taken), 0)::bigint AS taken FROM stock) s,
    (
        SELECT coalesce(sum(units) FILTER (WHERE state = 'paid'), 0)::bigint AS allocated,
               coalesce(sum(amount_minor) FILTER (WHERE state IN ('capturing', 'voiding')), 0)::bigint AS held_minor,
               coalesce(sum(amount_minor) FILTER (WHERE state = 'paid'), 0)::bigint AS captured_minor
        FROM orders, LATERAL (
            SELECT sum((line ->> 'quantity')::bigint) AS units FROM json_array_elements(lines::json) AS line
        ) l
    ) o;
