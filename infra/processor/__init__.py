"""A simulated payment processor: a real HTTP server with real books, and faults on request.

It stands where the card network stands. `python -m infra.processor --help` lists what can go wrong.

    POST /v1/authorizations                 {order_id, amount_minor, currency, payment_token, customer_id}
    POST /v1/authorizations/{id}/capture    {amount_minor, currency}: once, never more than authorised, never after a void
    POST /v1/authorizations/{id}/void       {}: never after a capture
    GET  /v1/operations/{idempotency key}   what became of an operation; 404 if it was never executed
    GET  /books[?order_id=...]              all money by currency and by authorisation, for those who check
    GET  /books/totals                      by currency only
    GET  /health

A POST needs an Idempotency-Key. An operation is executed once per key and its answer kept, the refusals too: asked
again with the same body it is answered again (200, or the same refusal), with another body it is a 422, and while the
first is under way a 409. Refusals are RFC 9457 problems with a `code`. A 503 with Retry-After executed nothing.
"""
