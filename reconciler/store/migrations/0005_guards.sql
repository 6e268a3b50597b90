-- What limits count, and the guards that people have opened. Only expands what was there before.

-- Writer: adopt. Machines that an adopted plan released or erased: limits count them for a day. Kept for ever.
CREATE TABLE destroyed (
    plan_id text NOT NULL REFERENCES plan (id),
    machine text NOT NULL REFERENCES machine (id),
    at_ms bigint NOT NULL DEFAULT now_ms(),
    PRIMARY KEY (plan_id, machine)
);
CREATE INDEX destroyed_at ON destroyed (at_ms);

-- Writer: opened. A person's word that one guard shall let one plan pass. Kept for ever.
CREATE TABLE guard_opened (
    plan_id text NOT NULL REFERENCES plan (id),
    guard text NOT NULL,
    who text NOT NULL,
    why text NOT NULL,
    at_ms bigint NOT NULL DEFAULT now_ms(),
    PRIMARY KEY (plan_id, guard, who)
);
