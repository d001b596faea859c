"""One live snapshot, who reads it and who follows it."""
