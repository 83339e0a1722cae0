# Varnish 7.1 before the shop: pages are kept for as long as the shop allows, and for a minute longer while it is away.
# Start with -p default_grace=0, and name this cache in LASTUNIT_SHOP_CACHES, so that it is purged when a product sells out.

vcl 4.1;

import std;

backend shop {
    .host = "127.0.0.1";
    .port = "8080";
    .probe = {
        .url = "/shop/readyz";
        .interval = 1s;
        .timeout = 1s;
        .window = 2;
        .threshold = 1;
        .initial = 1;
    }
}

acl purgers {
    "127.0.0.1";
    "::1";
}

sub vcl_recv {
    if (req.url ~ "^/admin/") {
        return (synth(404));
    }
    if (req.method == "PURGE") {
        if (client.ip !~ purgers) {
            return (synth(405));
        }
        set req.http.Host = "shop";
        return (purge);
    }
    if (req.method != "GET" && req.method != "HEAD") {
        return (pass);
    }
    # What is one visitor's own goes through with their cookies and the name that they called.
    if (req.url ~ "^/(me/|carts?([/?]|$)|checkouts?([/?]|$)|orders([/?]|$)|sign(in|out)([/?]|$))" || req.url ~ "/availability$") {
        return (pass);
    }
    # One shop: whoever purges calls it by another name than buyers do.
    set req.http.Host = "shop";
    # Two forms of each page, however browsers word what they accept.
    if (req.http.Accept ~ "json" && req.http.Accept !~ "text/html") {
        set req.http.Accept = "application/json";
    } else {
        set req.http.Accept = "text/html";
    }
    unset req.http.Cookie;
    # While the shop answers, nothing older than its max-age is served; while it does not, up to a minute more.
    if (std.healthy(req.backend_hint)) {
        set req.grace = 0s;
    } else {
        set req.grace = 60s;
    }
    return (hash);
}

sub vcl_backend_response {
    set beresp.grace = 60s;
    if (beresp.status >= 500) {
        set beresp.ttl = 0s;
        set beresp.grace = 0s;
        set beresp.uncacheable = true;
    }
}

sub vcl_deliver {
    if (obj.hits > 0) {
        set resp.http.X-Cache = "hit";
    } else {
        set resp.http.X-Cache = "miss";
    }
}
