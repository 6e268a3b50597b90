-- Which transaction wrote what, so that a reader of events can go on where it stopped. Only expands what was there before.

-- Keys are drawn before their transaction commits: one that is lower may be seen later. Transactions below the oldest one
-- that still writes are all over, so that what they wrote, in the order of their numbers, is a list that only grows at its
-- end. Rows of before this migration are of no transaction, and are told to nobody.
ALTER TABLE fact ADD COLUMN xact bigint NOT NULL DEFAULT 0;
ALTER TABLE fact ALTER COLUMN xact SET DEFAULT (pg_current_xact_id()::text::bigint);
ALTER TABLE order_issued ADD COLUMN xact bigint NOT NULL DEFAULT 0;
ALTER TABLE order_issued ALTER COLUMN xact SET DEFAULT (pg_current_xact_id()::text::bigint);
ALTER TABLE write_start ADD COLUMN xact bigint NOT NULL DEFAULT 0;
ALTER TABLE write_start ALTER COLUMN xact SET DEFAULT (pg_current_xact_id()::text::bigint);
ALTER TABLE audit ADD COLUMN xact bigint NOT NULL DEFAULT 0;
ALTER TABLE audit ALTER COLUMN xact SET DEFAULT (pg_current_xact_id()::text::bigint);
ALTER TABLE revision ADD COLUMN xact bigint NOT NULL DEFAULT 0;
ALTER TABLE revision ALTER COLUMN xact SET DEFAULT (pg_current_xact_id()::text::bigint);

-- Rows lie in the order of their transactions, nearly: a few bytes for each 128 pages find what is new.
CREATE INDEX fact_xact ON fact USING brin (xact);
CREATE INDEX order_issued_xact ON order_issued USING brin (xact);
CREATE INDEX write_start_xact ON write_start USING brin (xact);
CREATE INDEX revision_xact ON revision USING brin (xact);
CREATE INDEX audit_of_plans ON audit (at_ms, subject) WHERE what IN ('plan-adopted', 'guard-opened');
