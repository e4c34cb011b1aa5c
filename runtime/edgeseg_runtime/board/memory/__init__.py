"""The byte budget of a worker: ledger, reservations, spool, allocator."""
