"""What an audit holds against each other: one file for each kind of promise."""
