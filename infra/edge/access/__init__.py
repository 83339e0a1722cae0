"""Who may call the HTTP API: keys, tokens, transports, and how many requests each client has."""
