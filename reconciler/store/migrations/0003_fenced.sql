-- A person's word on machines that leave without being seen off. Only expands what was there before.

-- Writer: fenced. That the machine is off, or cut off, and will not come back as it was, for the intent of this
-- generation. Kept for ever.
CREATE TABLE fenced (
    machine text NOT NULL REFERENCES machine (id),
    generation bigint NOT NULL CHECK (generation >= 0),
    at_ms bigint NOT NULL DEFAULT now_ms(),
    who text NOT NULL,
    why text NOT NULL,
    PRIMARY KEY (machine, generation)
);
