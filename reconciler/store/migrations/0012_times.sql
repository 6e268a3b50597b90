-- How long installations took. Only expands what was there before.

-- The newest of them all, whichever machine's; of a thousand facts a handful says that one is over.
CREATE INDEX fact_installed ON fact (received_ms, position) WHERE kind = 'installed';
