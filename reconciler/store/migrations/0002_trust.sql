-- Who rack agents are, and which of them commands a rack's BMCs.

-- Writer: enrolment. One-time tokens, as digests: whoever reads this table cannot enrol with it.
CREATE TABLE agent_token (
    digest text PRIMARY KEY,
    agent text NOT NULL,
    made_ms bigint NOT NULL DEFAULT now_ms(),
    ends_ms bigint NOT NULL,
    used_by text,
    used_ms bigint,
    CHECK ((used_by IS NULL) = (used_ms IS NULL))
);

-- Writer: enrolment. Every public key ever enrolled, kept for ever; the one that has not ended is the
-- agent. `ends_ms` is the end of its newest certificate, by musterd's clock; `root` is what signed it.
CREATE TABLE agent_key (
    key text PRIMARY KEY,
    agent text NOT NULL,
    recipient text NOT NULL,
    enrolled_ms bigint NOT NULL DEFAULT now_ms(),
    root text NOT NULL,
    ends_ms bigint NOT NULL,
    ended_ms bigint,
    ended text CHECK (ended IN ('replaced', 'revoked')),
    CHECK ((ended IS NULL) = (ended_ms IS NULL))
);
CREATE UNIQUE INDEX agent_key_once ON agent_key (agent) WHERE ended IS NULL;

-- Writer: bmc_role. Which agent commands the BMCs of a rack, or none for a while; the epoch rises with
-- each change of hands.
CREATE TABLE bmc_role (
    rack text PRIMARY KEY,
    agent text,
    epoch bigint NOT NULL CHECK (epoch > 0),
    since_ms bigint NOT NULL DEFAULT now_ms()
);
