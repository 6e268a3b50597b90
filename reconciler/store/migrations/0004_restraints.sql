-- Holds and stops that people make at run time. Only expands what was there before.

-- Writer: restraint. One row; the epoch moves whenever a hold or a stop is made or ended. An order or a go that was
-- decided under another epoch is decided anew.
CREATE TABLE restraint_epoch (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    epoch bigint NOT NULL DEFAULT 0 CHECK (epoch >= 0)
);
INSERT INTO restraint_epoch (single) VALUES (true);

-- Writer: restraint. Appended to; kept for ever. Targets are selectors as written.
CREATE TABLE hold (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    targets text[] NOT NULL CHECK (cardinality(targets) > 0),
    effect text NOT NULL,
    until_ms bigint NOT NULL,
    reason text NOT NULL CHECK (reason <> ''),
    ticket text,
    who text NOT NULL,
    at_ms bigint NOT NULL DEFAULT now_ms()
);

-- Writer: restraint. Who ended a hold; kept for ever.
CREATE TABLE hold_end (
    hold bigint PRIMARY KEY REFERENCES hold (number),
    who text NOT NULL,
    why text NOT NULL,
    at_ms bigint NOT NULL DEFAULT now_ms()
);

-- Writer: restraint. Appended to; kept for ever. The scope is `fleet` or a selector as written.
CREATE TABLE stop (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    scope text NOT NULL,
    reason text NOT NULL CHECK (reason <> ''),
    who text NOT NULL,
    at_ms bigint NOT NULL DEFAULT now_ms()
);

-- Writer: restraint. Who ended a stop; kept for ever.
CREATE TABLE stop_end (
    stop bigint PRIMARY KEY REFERENCES stop (number),
    who text NOT NULL,
    why text NOT NULL,
    at_ms bigint NOT NULL DEFAULT now_ms()
);
