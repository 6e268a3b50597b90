-- What budgets and the hourly limit count beside grants. Only expands what was there before. Both change with the epoch
-- of permits, so that nothing is begun by a daemon that has not read them.

-- Writer: budget. A machine that failed while a budget was about it; one for each intent. Kept for ever.
CREATE TABLE budget_failure (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    budget text NOT NULL,
    machine text NOT NULL REFERENCES machine (id),
    generation bigint NOT NULL CHECK (generation >= 0),
    why text NOT NULL,
    at_ms bigint NOT NULL DEFAULT now_ms(),
    UNIQUE (budget, machine, generation)
);

-- Writer: budget. Who looked at a failure and said that it shall go on; kept for ever.
CREATE TABLE budget_resumed (
    failure bigint PRIMARY KEY REFERENCES budget_failure (number),
    who text NOT NULL,
    why text NOT NULL CHECK (why <> ''),
    at_ms bigint NOT NULL DEFAULT now_ms()
);

-- Writer: permits. When machines began to lose data that was in use; one for each intent. Kept for ever.
CREATE TABLE wipe_begun (
    machine text NOT NULL REFERENCES machine (id),
    generation bigint NOT NULL CHECK (generation >= 0),
    at_ms bigint NOT NULL DEFAULT now_ms(),
    PRIMARY KEY (machine, generation)
);
CREATE INDEX wipe_begun_at ON wipe_begun (at_ms);
