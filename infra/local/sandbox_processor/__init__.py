"""A simulated payment processor: a real HTTP server with real books, and faults on request.

It stands where the card network stands. `python -m infra.local.sandbox_processor --help` lists what can go wrong.

    POST /v1/authorizations                 {order_id, amount_minor, currency, payment_token, customer_id}
    POST /v1/authorizations/{id}/capture    {amount_minor, currency, is_last = true}: as often as wanted, together never
                                            more than is held; the last one gives the rest back
    POST /v1/authorizations/{id}/void       {}: gives back what is held, never after the last capture
    POST /v1/authorizations/{id}/refunds    {amount_minor, currency}: as often as wanted, together never more than captured
    POST /v1/authorizations/{id}/disputes   {amount_minor, currency}: the customer's bank withdraws captured money
    POST /v1/disputes/{id}/close            {won}: it comes back, or is lost for good
    POST {action_url}                       {confirm = true}: what the customer says; needs no key
    GET  /v1/operations/{idempotency key}   what became of an operation; 404 if it was never executed
    GET  /v1/payments/{authorisation}       where its money is
    GET  /v1/payments?since_ms=&cursor=     all authorisations, oldest first: {payments, next_cursor}, "" at the end
    GET  /books[?order_id=...]              all money by currency and by authorisation, for those who check
    GET  /books/totals                      by currency only
    GET  /health

A POST needs an Idempotency-Key. An operation is executed once per key and its answer kept, the refusals too: asked
again with the same body it is answered again (200, or the same refusal), with another body it is a 422, and while the
first is under way a 409. Refusals are RFC 9457 problems with a `code`. A 503 with Retry-After executed nothing.

An operation is {id, kind, status, code, authorization_id, order_id, amount_minor, currency, action_url, expires_at_ms};
`status` is `succeeded`, `refused` (`code` says why) or, of an authorisation, `requires_action`: nothing is held until its
customer has confirmed at `action_url`, and then the same operation has succeeded, or is refused (`action_declined`). A void
before that is for good: the operation is refused (`already_voided`). At `expires_at_ms` an authorisation lapses: what is
held goes back, a capture is refused (`authorization_expired`), and a void succeeds, for there is nothing left to do.
Who operates the processor by hand, as at a dashboard, uses the same requests under keys of their own; so do tests and the demo.
Tokens that force something: tok_declined, tok_insufficient_funds, tok_3ds, tok_{capture,void,refund}_fails.

Webhooks (--webhook-url, --webhook-secret): each executed operation's outcome is POSTed, also what a confirmation or a
lapse makes of one, and again with a backoff until it is answered 2xx, a kill in between or not. Signed by Standard
Webhooks (PyPI: standardwebhooks; both ends use `standardwebhooks.Webhook(secret)`, `sign` here, `verify` there):

    webhook-id          evt_...; the same for each attempt and duplicate
    webhook-timestamp   seconds since the epoch of this attempt; `verify` allows five minutes either way
    webhook-signature   v1,<base64 of HMAC-SHA256 over "id.timestamp.body">

    {"type": "authorize.succeeded", "operation_id", "order_id", "kind", "status", "code", "authorization_id",
     "amount_minor", "currency", "action_url", "expires_at_ms"}

`kind` is authorize, capture, void, refund or dispute (with a `dispute_id`; `status` is opened, won or lost), `type` is
"{kind}.{status}"; a lapse is {"type": "authorization.lapsed", "kind": "authorize", "status": "lapsed"} under the
authorisation's operation_id. Events may come twice and in any order
(--duplicate-webhook-rate, --reordered-webhook-rate). A receiver should know that `verify` raises ValueError too (a
signature header that is no list of `version,base64`, a body that is not UTF-8), not only WebhookVerificationError.
"""
