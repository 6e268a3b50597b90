-- Where machines were when they were destroyed, and transactions whose numbers go on in another cluster. Only expands what
-- was there before.

-- Zones and pools that the machine was in, by the plan that destroyed it or by the one before: of before these columns
-- nothing is known.
ALTER TABLE destroyed ADD COLUMN zones text[] NOT NULL DEFAULT '{}';
ALTER TABLE destroyed ADD COLUMN pools text[] NOT NULL DEFAULT '{}';

-- Writer: transaction. What is added to the numbers of this cluster's transactions: nought, until a dump was restored into a
-- cluster that has not come as far. It never falls.
CREATE TABLE transaction_base (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    base bigint NOT NULL
);
INSERT INTO transaction_base (base) VALUES (0);

-- The number of this transaction among all that ever wrote what is kept here.
CREATE FUNCTION this_transaction() RETURNS bigint LANGUAGE sql VOLATILE
    RETURN (SELECT pg_current_xact_id()::text::bigint + base FROM transaction_base);

ALTER TABLE fact ALTER COLUMN xact SET DEFAULT this_transaction();
ALTER TABLE order_issued ALTER COLUMN xact SET DEFAULT this_transaction();
ALTER TABLE write_start ALTER COLUMN xact SET DEFAULT this_transaction();
ALTER TABLE audit ALTER COLUMN xact SET DEFAULT this_transaction();
ALTER TABLE revision ALTER COLUMN xact SET DEFAULT this_transaction();
