"""Where the system runs beyond one machine: configuration of what stands around it."""
