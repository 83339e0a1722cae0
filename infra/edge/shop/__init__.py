"""The shop's pages: what everybody may read, as HTML for people and as JSON for programs."""
