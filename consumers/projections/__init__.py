"""What is counted from the log and may be counted again: read models that Faust keeps."""
