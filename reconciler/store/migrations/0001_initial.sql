-- The first schema. Each table names the one module of reconciler/store that writes it.
--
-- Conventions: identifiers are the canonical text of schema-ids, so that a person, the wire and the
-- database read one form. Times are milliseconds since 1970, `_ms`, by this database's clock unless
-- said otherwise. Documents are `json`, not `jsonb`: they are kept as they were sent, and nothing
-- queries inside them (jsonb would also refuse a NUL that some firmware puts into a serial number).
-- No column holds a phase.

CREATE FUNCTION now_ms() RETURNS bigint LANGUAGE sql VOLATILE
    RETURN floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint;

-- Writer: identity. One row, made at the first connection.
CREATE TABLE fleet (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    uid text NOT NULL,
    token_key text NOT NULL,
    made_ms bigint NOT NULL DEFAULT now_ms()
);

-- Writer: identity. The highest number is the current life of this database.
CREATE TABLE incarnation (
    number bigint PRIMARY KEY CHECK (number > 0),
    uuid text NOT NULL UNIQUE,
    since_ms bigint NOT NULL DEFAULT now_ms()
);

-- Writer: revision. Appended to when a commit's stand changes; kept for ever.
CREATE TABLE revision (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    commit_id text NOT NULL,
    stage text NOT NULL,
    code text,
    reason text,
    since_ms bigint NOT NULL DEFAULT now_ms(),
    CHECK ((code IS NULL) = (reason IS NULL))
);
CREATE INDEX revision_commit ON revision (commit_id, position DESC);

CREATE VIEW revision_now AS
    SELECT DISTINCT ON (commit_id) position, commit_id, stage, code, reason, since_ms
    FROM revision ORDER BY commit_id, position DESC;

-- Writer: plans. Never changed. `parent` may be the empty plan, which is not stored.
CREATE TABLE plan (
    id text PRIMARY KEY,
    parent text,
    commit_id text,
    made_ms bigint NOT NULL,
    document json NOT NULL,
    stored_ms bigint NOT NULL DEFAULT now_ms()
);

-- Writer: plans. Which plan people were shown for which git tree.
CREATE TABLE shown (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tree text NOT NULL,
    plan_id text NOT NULL REFERENCES plan (id),
    shown_ms bigint NOT NULL DEFAULT now_ms()
);
CREATE INDEX shown_tree ON shown (tree, position DESC);

-- Writer: adopt. One row; changed by compare-and-set on the parent only.
CREATE TABLE target (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    plan_id text REFERENCES plan (id),
    since_ms bigint NOT NULL DEFAULT now_ms()
);
INSERT INTO target (single) VALUES (true);

-- Writer: adopt. Every machine ever claimed, with the highest generation ever adopted for it.
CREATE TABLE machine (
    id text PRIMARY KEY,
    name text NOT NULL,
    generation bigint NOT NULL CHECK (generation >= 0),
    claimed_by text NOT NULL REFERENCES plan (id),
    claimed_ms bigint NOT NULL DEFAULT now_ms()
);

-- Writer: adopt.
CREATE TABLE binding (
    id text PRIMARY KEY,
    deployment text NOT NULL,
    slot bigint NOT NULL CHECK (slot >= 0),
    machine text NOT NULL REFERENCES machine (id),
    state text NOT NULL CHECK (state IN ('active', 'leaving', 'ended')),
    made_by text NOT NULL REFERENCES plan (id),
    ended_by text REFERENCES plan (id),
    CHECK ((state = 'ended') = (ended_by IS NOT NULL))
);
CREATE UNIQUE INDEX binding_slot_once ON binding (deployment, slot) WHERE state = 'active';
CREATE UNIQUE INDEX binding_machine_once ON binding (machine) WHERE state <> 'ended';

-- Writer: adopt.
CREATE TABLE binding_disk (
    binding text NOT NULL REFERENCES binding (id),
    disk text NOT NULL,
    ended boolean NOT NULL DEFAULT false,
    PRIMARY KEY (binding, disk)
);
CREATE UNIQUE INDEX binding_disk_once ON binding_disk (disk) WHERE NOT ended;

-- Writer: adopt.
CREATE TABLE binding_address (
    binding text NOT NULL REFERENCES binding (id),
    address text NOT NULL,
    ended boolean NOT NULL DEFAULT false,
    PRIMARY KEY (binding, address)
);
CREATE UNIQUE INDEX binding_address_once ON binding_address (address) WHERE NOT ended;

-- Writer: append. Bodies apart, since many facts tell the same hardware.
CREATE TABLE inventory (
    digest text PRIMARY KEY,
    body json NOT NULL
);

-- Writer: append. Append-only. `slot` tells apart facts of one kind that say different things: the
-- step and its state, the order, the value. `generation` is the job's or order's, held to bigint.
CREATE TABLE fact (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    agent text NOT NULL,
    sequence bigint NOT NULL CHECK (sequence > 0),
    agent_boot text NOT NULL,
    received_ms bigint NOT NULL,
    machine text,
    kind text NOT NULL,
    slot text NOT NULL,
    generation bigint,
    attempt bigint,
    body json NOT NULL,
    inventory text REFERENCES inventory (digest)
);
CREATE UNIQUE INDEX fact_once ON fact (agent, sequence);
-- The newest of a kind, and since when it says the same.
CREATE INDEX fact_newest ON fact (machine, kind, position) INCLUDE (slot) WHERE machine IS NOT NULL;
-- A job's facts, and what became of a generation's orders.
CREATE INDEX fact_of_job ON fact (machine, generation, attempt, kind, agent, slot, position)
    WHERE machine IS NOT NULL AND generation IS NOT NULL;
-- Leases, addresses and unknown machines.
CREATE INDEX fact_at_large ON fact (kind, slot, position DESC) WHERE machine IS NULL;

-- Writer: append. One row per rack agent.
CREATE TABLE agent (
    name text PRIMARY KEY,
    boot text NOT NULL,
    acknowledged bigint NOT NULL,
    heard_ms bigint NOT NULL,
    watermark_ms bigint NOT NULL,
    steady_ms bigint NOT NULL
);

-- Writer: append. What showed that this database is older than its agents; counts in the incarnation
-- in which it was found, so that raising that lays it to rest.
CREATE TABLE restored (
    incarnation bigint NOT NULL REFERENCES incarnation (number),
    agent text NOT NULL,
    evidence text NOT NULL,
    at_ms bigint NOT NULL DEFAULT now_ms(),
    PRIMARY KEY (incarnation, agent)
);

-- Writer: orders. Kept for ever.
CREATE TABLE order_issued (
    machine text NOT NULL REFERENCES machine (id),
    incarnation bigint NOT NULL REFERENCES incarnation (number),
    generation bigint NOT NULL CHECK (generation >= 0),
    number bigint NOT NULL CHECK (number >= 0),
    lane text NOT NULL CHECK (lane IN ('power', 'boot')),
    plan_id text NOT NULL REFERENCES plan (id),
    at_ms bigint NOT NULL,
    body json NOT NULL,
    PRIMARY KEY (machine, incarnation, generation, number)
);
CREATE INDEX order_newest
    ON order_issued (machine, lane, incarnation DESC, generation DESC, number DESC);

-- Writer: start. Kept for ever. A nonce is answered once.
CREATE TABLE write_start (
    nonce text PRIMARY KEY,
    machine text NOT NULL REFERENCES machine (id),
    generation bigint NOT NULL,
    attempt bigint NOT NULL,
    boot_id text NOT NULL,
    at_ms bigint NOT NULL,
    code text,
    reason text,
    CHECK ((code IS NULL) = (reason IS NULL))
);
CREATE INDEX write_start_machine ON write_start (machine, generation);

-- Writer: permits. One row; the epoch moves whenever a grant is taken or released.
CREATE TABLE permit_epoch (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    epoch bigint NOT NULL
);
INSERT INTO permit_epoch (epoch) VALUES (0);

-- Writer: permits. Grants held now; their history is in the audit.
CREATE TABLE permit (
    machine text PRIMARY KEY REFERENCES machine (id),
    generation bigint NOT NULL,
    need json NOT NULL,
    at_ms bigint NOT NULL
);

-- Writer: approval. Kept for ever.
CREATE TABLE approval (
    plan_id text NOT NULL REFERENCES plan (id),
    wipe_set text NOT NULL,
    who text NOT NULL,
    why text NOT NULL,
    at_ms bigint NOT NULL DEFAULT now_ms(),
    PRIMARY KEY (plan_id, wipe_set, who)
);

-- Writer: audit. Kept for ever.
CREATE TABLE audit (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at_ms bigint NOT NULL DEFAULT now_ms(),
    what text NOT NULL,
    machine text,
    subject text NOT NULL,
    who text NOT NULL,
    why text NOT NULL
);
CREATE INDEX audit_machine ON audit (machine, number) WHERE machine IS NOT NULL;

-- Writer: work. Derived: may be emptied at any time. `marks` rises with each enqueueing, so that one
-- during the work is not lost; the epoch comes from a sequence, so that none repeats over deletion.
CREATE SEQUENCE work_epoch;
CREATE TABLE work (
    kind text NOT NULL,
    key text NOT NULL,
    due_ms bigint NOT NULL,
    marks bigint NOT NULL DEFAULT 0,
    attempts bigint NOT NULL DEFAULT 0,
    epoch bigint,
    lease_until_ms bigint,
    PRIMARY KEY (kind, key)
);
CREATE INDEX work_due ON work (due_ms);
