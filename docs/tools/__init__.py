"""What makes and checks the documents: `python -m docs.tools.reference` and `python -m docs.tools.site`."""
