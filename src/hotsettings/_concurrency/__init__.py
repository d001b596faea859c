"""Tasks, threads, backoffs and calls into the event loop, safe from what the code of others raises or cancels."""
