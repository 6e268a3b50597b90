-- What the migrations add up to; written by tests/it/schema.rs.

TABLE agent
    name text NOT NULL
    boot text NOT NULL
    acknowledged bigint NOT NULL
    heard_ms bigint NOT NULL
    watermark_ms bigint NOT NULL
    steady_ms bigint NOT NULL
    PRIMARY KEY (name)
    CREATE UNIQUE INDEX agent_pkey ON public.agent USING btree (name)

TABLE agent_key
    key text NOT NULL
    agent text NOT NULL
    recipient text NOT NULL
    enrolled_ms bigint NOT NULL DEFAULT now_ms()
    root text NOT NULL
    ends_ms bigint NOT NULL
    ended_ms bigint
    ended text
    CHECK (((ended IS NULL) = (ended_ms IS NULL)))
    CHECK ((ended = ANY (ARRAY['replaced'::text, 'revoked'::text])))
    PRIMARY KEY (key)
    CREATE UNIQUE INDEX agent_key_once ON public.agent_key USING btree (agent) WHERE (ended IS NULL)
    CREATE UNIQUE INDEX agent_key_pkey ON public.agent_key USING btree (key)

TABLE agent_token
    digest text NOT NULL
    agent text NOT NULL
    made_ms bigint NOT NULL DEFAULT now_ms()
    ends_ms bigint NOT NULL
    used_by text
    used_ms bigint
    CHECK (((used_by IS NULL) = (used_ms IS NULL)))
    PRIMARY KEY (digest)
    CREATE UNIQUE INDEX agent_token_pkey ON public.agent_token USING btree (digest)

TABLE approval
    plan_id text NOT NULL
    wipe_set text NOT NULL
    who text NOT NULL
    why text NOT NULL
    at_ms bigint NOT NULL DEFAULT now_ms()
    FOREIGN KEY (plan_id) REFERENCES plan(id)
    PRIMARY KEY (plan_id, wipe_set, who)
    CREATE UNIQUE INDEX approval_pkey ON public.approval USING btree (plan_id, wipe_set, who)

TABLE audit
    number bigint NOT NULL IDENTITY
    at_ms bigint NOT NULL DEFAULT now_ms()
    what text NOT NULL
    machine text
    subject text NOT NULL
    who text NOT NULL
    why text NOT NULL
    xact bigint NOT NULL DEFAULT this_transaction()
    PRIMARY KEY (number)
    CREATE INDEX audit_machine ON public.audit USING btree (machine, number) WHERE (machine IS NOT NULL)
    CREATE INDEX audit_of_plans ON public.audit USING btree (at_ms, subject) WHERE (what = ANY (ARRAY['plan-adopted'::text, 'guard-opened'::text]))
    CREATE UNIQUE INDEX audit_pkey ON public.audit USING btree (number)

TABLE binding
    id text NOT NULL
    deployment text NOT NULL
    slot bigint NOT NULL
    machine text NOT NULL
    state text NOT NULL
    made_by text NOT NULL
    ended_by text
    CHECK (((state = 'ended'::text) = (ended_by IS NOT NULL)))
    CHECK ((slot >= 0))
    CHECK ((state = ANY (ARRAY['active'::text, 'leaving'::text, 'ended'::text])))
    FOREIGN KEY (ended_by) REFERENCES plan(id)
    FOREIGN KEY (machine) REFERENCES machine(id)
    FOREIGN KEY (made_by) REFERENCES plan(id)
    PRIMARY KEY (id)
    CREATE UNIQUE INDEX binding_machine_once ON public.binding USING btree (machine) WHERE (state <> 'ended'::text)
    CREATE UNIQUE INDEX binding_pkey ON public.binding USING btree (id)
    CREATE UNIQUE INDEX binding_slot_once ON public.binding USING btree (deployment, slot) WHERE (state = 'active'::text)

TABLE binding_address
    binding text NOT NULL
    address text NOT NULL
    ended boolean NOT NULL DEFAULT false
    FOREIGN KEY (binding) REFERENCES binding(id)
    PRIMARY KEY (binding, address)
    CREATE UNIQUE INDEX binding_address_once ON public.binding_address USING btree (address) WHERE (NOT ended)
    CREATE UNIQUE INDEX binding_address_pkey ON public.binding_address USING btree (binding, address)

TABLE binding_disk
    binding text NOT NULL
    disk text NOT NULL
    ended boolean NOT NULL DEFAULT false
    FOREIGN KEY (binding) REFERENCES binding(id)
    PRIMARY KEY (binding, disk)
    CREATE UNIQUE INDEX binding_disk_once ON public.binding_disk USING btree (disk) WHERE (NOT ended)
    CREATE UNIQUE INDEX binding_disk_pkey ON public.binding_disk USING btree (binding, disk)

TABLE bmc_role
    rack text NOT NULL
    agent text
    epoch bigint NOT NULL
    since_ms bigint NOT NULL DEFAULT now_ms()
    CHECK ((epoch > 0))
    PRIMARY KEY (rack)
    CREATE UNIQUE INDEX bmc_role_pkey ON public.bmc_role USING btree (rack)

TABLE budget_failure
    number bigint NOT NULL IDENTITY
    budget text NOT NULL
    machine text NOT NULL
    generation bigint NOT NULL
    why text NOT NULL
    at_ms bigint NOT NULL DEFAULT now_ms()
    CHECK ((generation >= 0))
    FOREIGN KEY (machine) REFERENCES machine(id)
    PRIMARY KEY (number)
    UNIQUE (budget, machine, generation)
    CREATE UNIQUE INDEX budget_failure_budget_machine_generation_key ON public.budget_failure USING btree (budget, machine, generation)
    CREATE UNIQUE INDEX budget_failure_pkey ON public.budget_failure USING btree (number)

TABLE budget_resumed
    failure bigint NOT NULL
    who text NOT NULL
    why text NOT NULL
    at_ms bigint NOT NULL DEFAULT now_ms()
    CHECK ((why <> ''::text))
    FOREIGN KEY (failure) REFERENCES budget_failure(number)
    PRIMARY KEY (failure)
    CREATE UNIQUE INDEX budget_resumed_pkey ON public.budget_resumed USING btree (failure)

TABLE destroyed
    plan_id text NOT NULL
    machine text NOT NULL
    at_ms bigint NOT NULL DEFAULT now_ms()
    deployment text
    zones text[] NOT NULL DEFAULT '{}'::text[]
    pools text[] NOT NULL DEFAULT '{}'::text[]
    FOREIGN KEY (machine) REFERENCES machine(id)
    FOREIGN KEY (plan_id) REFERENCES plan(id)
    PRIMARY KEY (plan_id, machine)
    CREATE INDEX destroyed_at ON public.destroyed USING btree (at_ms)
    CREATE UNIQUE INDEX destroyed_pkey ON public.destroyed USING btree (plan_id, machine)

TABLE fact
    position bigint NOT NULL IDENTITY
    agent text NOT NULL
    sequence bigint NOT NULL
    agent_boot text NOT NULL
    received_ms bigint NOT NULL
    machine text
    kind text NOT NULL
    slot text NOT NULL
    generation bigint
    attempt bigint
    body json NOT NULL
    inventory text
    xact bigint NOT NULL DEFAULT this_transaction()
    CHECK ((sequence > 0))
    FOREIGN KEY (inventory) REFERENCES inventory(digest)
    PRIMARY KEY ("position")
    CREATE INDEX fact_at_large ON public.fact USING btree (kind, slot, "position" DESC) WHERE (machine IS NULL)
    CREATE INDEX fact_installed ON public.fact USING btree (received_ms, "position") WHERE (kind = 'installed'::text)
    CREATE INDEX fact_newest ON public.fact USING btree (machine, kind, "position") INCLUDE (slot) WHERE (machine IS NOT NULL)
    CREATE INDEX fact_of_job ON public.fact USING btree (machine, generation, attempt, kind, agent, slot, "position") WHERE ((machine IS NOT NULL) AND (generation IS NOT NULL))
    CREATE INDEX fact_xact ON public.fact USING brin (xact)
    CREATE UNIQUE INDEX fact_once ON public.fact USING btree (agent, sequence)
    CREATE UNIQUE INDEX fact_pkey ON public.fact USING btree ("position")

TABLE fenced
    machine text NOT NULL
    generation bigint NOT NULL
    at_ms bigint NOT NULL DEFAULT now_ms()
    who text NOT NULL
    why text NOT NULL
    CHECK ((generation >= 0))
    FOREIGN KEY (machine) REFERENCES machine(id)
    PRIMARY KEY (machine, generation)
    CREATE UNIQUE INDEX fenced_pkey ON public.fenced USING btree (machine, generation)

TABLE fleet
    single boolean NOT NULL DEFAULT true
    uid text NOT NULL
    token_key text NOT NULL
    made_ms bigint NOT NULL DEFAULT now_ms()
    CHECK (single)
    PRIMARY KEY (single)
    CREATE UNIQUE INDEX fleet_pkey ON public.fleet USING btree (single)

TABLE guard_opened
    plan_id text NOT NULL
    guard text NOT NULL
    who text NOT NULL
    why text NOT NULL
    at_ms bigint NOT NULL DEFAULT now_ms()
    FOREIGN KEY (plan_id) REFERENCES plan(id)
    PRIMARY KEY (plan_id, guard, who)
    CREATE UNIQUE INDEX guard_opened_pkey ON public.guard_opened USING btree (plan_id, guard, who)

TABLE hold
    number bigint NOT NULL IDENTITY
    targets text[] NOT NULL
    effect text NOT NULL
    until_ms bigint NOT NULL
    reason text NOT NULL
    ticket text
    who text NOT NULL
    at_ms bigint NOT NULL DEFAULT now_ms()
    CHECK ((cardinality(targets) > 0))
    CHECK ((reason <> ''::text))
    PRIMARY KEY (number)
    CREATE UNIQUE INDEX hold_pkey ON public.hold USING btree (number)

TABLE hold_end
    hold bigint NOT NULL
    who text NOT NULL
    why text NOT NULL
    at_ms bigint NOT NULL DEFAULT now_ms()
    FOREIGN KEY (hold) REFERENCES hold(number)
    PRIMARY KEY (hold)
    CREATE UNIQUE INDEX hold_end_pkey ON public.hold_end USING btree (hold)

TABLE incarnation
    number bigint NOT NULL
    uuid text NOT NULL
    since_ms bigint NOT NULL DEFAULT now_ms()
    CHECK ((number > 0))
    PRIMARY KEY (number)
    UNIQUE (uuid)
    CREATE UNIQUE INDEX incarnation_pkey ON public.incarnation USING btree (number)
    CREATE UNIQUE INDEX incarnation_uuid_key ON public.incarnation USING btree (uuid)

TABLE inventory
    digest text NOT NULL
    body json NOT NULL
    PRIMARY KEY (digest)
    CREATE UNIQUE INDEX inventory_pkey ON public.inventory USING btree (digest)

TABLE machine
    id text NOT NULL
    name text NOT NULL
    generation bigint NOT NULL
    claimed_by text NOT NULL
    claimed_ms bigint NOT NULL DEFAULT now_ms()
    CHECK ((generation >= 0))
    FOREIGN KEY (claimed_by) REFERENCES plan(id)
    PRIMARY KEY (id)
    CREATE UNIQUE INDEX machine_pkey ON public.machine USING btree (id)

TABLE order_issued
    machine text NOT NULL
    incarnation bigint NOT NULL
    generation bigint NOT NULL
    number bigint NOT NULL
    lane text NOT NULL
    plan_id text NOT NULL
    at_ms bigint NOT NULL
    body json NOT NULL
    xact bigint NOT NULL DEFAULT this_transaction()
    CHECK ((generation >= 0))
    CHECK ((lane = ANY (ARRAY['power'::text, 'boot'::text])))
    CHECK ((number >= 0))
    FOREIGN KEY (incarnation) REFERENCES incarnation(number)
    FOREIGN KEY (machine) REFERENCES machine(id)
    FOREIGN KEY (plan_id) REFERENCES plan(id)
    PRIMARY KEY (machine, incarnation, generation, number)
    CREATE INDEX order_issued_xact ON public.order_issued USING brin (xact)
    CREATE INDEX order_newest ON public.order_issued USING btree (machine, lane, incarnation DESC, generation DESC, number DESC)
    CREATE UNIQUE INDEX order_issued_pkey ON public.order_issued USING btree (machine, incarnation, generation, number)

TABLE permit
    machine text NOT NULL
    generation bigint NOT NULL
    need json NOT NULL
    at_ms bigint NOT NULL
    FOREIGN KEY (machine) REFERENCES machine(id)
    PRIMARY KEY (machine)
    CREATE UNIQUE INDEX permit_pkey ON public.permit USING btree (machine)

TABLE permit_epoch
    single boolean NOT NULL DEFAULT true
    epoch bigint NOT NULL
    CHECK (single)
    PRIMARY KEY (single)
    CREATE UNIQUE INDEX permit_epoch_pkey ON public.permit_epoch USING btree (single)

TABLE plan
    id text NOT NULL
    parent text
    commit_id text
    made_ms bigint NOT NULL
    document json NOT NULL
    stored_ms bigint NOT NULL DEFAULT now_ms()
    PRIMARY KEY (id)
    CREATE UNIQUE INDEX plan_pkey ON public.plan USING btree (id)

TABLE restored
    incarnation bigint NOT NULL
    agent text NOT NULL
    evidence text NOT NULL
    at_ms bigint NOT NULL DEFAULT now_ms()
    FOREIGN KEY (incarnation) REFERENCES incarnation(number)
    PRIMARY KEY (incarnation, agent)
    CREATE UNIQUE INDEX restored_pkey ON public.restored USING btree (incarnation, agent)

TABLE restraint_epoch
    single boolean NOT NULL DEFAULT true
    epoch bigint NOT NULL DEFAULT 0
    CHECK ((epoch >= 0))
    CHECK (single)
    PRIMARY KEY (single)
    CREATE UNIQUE INDEX restraint_epoch_pkey ON public.restraint_epoch USING btree (single)

TABLE revision
    position bigint NOT NULL IDENTITY
    commit_id text NOT NULL
    stage text NOT NULL
    code text
    reason text
    since_ms bigint NOT NULL DEFAULT now_ms()
    xact bigint NOT NULL DEFAULT this_transaction()
    CHECK (((code IS NULL) = (reason IS NULL)))
    PRIMARY KEY ("position")
    CREATE INDEX revision_commit ON public.revision USING btree (commit_id, "position" DESC)
    CREATE INDEX revision_xact ON public.revision USING brin (xact)
    CREATE UNIQUE INDEX revision_pkey ON public.revision USING btree ("position")

TABLE revision_now
    position bigint
    commit_id text
    stage text
    code text
    reason text
    since_ms bigint

TABLE shown
    position bigint NOT NULL IDENTITY
    tree text NOT NULL
    plan_id text NOT NULL
    shown_ms bigint NOT NULL DEFAULT now_ms()
    FOREIGN KEY (plan_id) REFERENCES plan(id)
    PRIMARY KEY ("position")
    CREATE INDEX shown_tree ON public.shown USING btree (tree, "position" DESC)
    CREATE UNIQUE INDEX shown_pkey ON public.shown USING btree ("position")

TABLE stop
    number bigint NOT NULL IDENTITY
    scope text NOT NULL
    reason text NOT NULL
    who text NOT NULL
    at_ms bigint NOT NULL DEFAULT now_ms()
    CHECK ((reason <> ''::text))
    PRIMARY KEY (number)
    CREATE UNIQUE INDEX stop_pkey ON public.stop USING btree (number)

TABLE stop_end
    stop bigint NOT NULL
    who text NOT NULL
    why text NOT NULL
    at_ms bigint NOT NULL DEFAULT now_ms()
    FOREIGN KEY (stop) REFERENCES stop(number)
    PRIMARY KEY (stop)
    CREATE UNIQUE INDEX stop_end_pkey ON public.stop_end USING btree (stop)

TABLE target
    single boolean NOT NULL DEFAULT true
    plan_id text
    since_ms bigint NOT NULL DEFAULT now_ms()
    CHECK (single)
    FOREIGN KEY (plan_id) REFERENCES plan(id)
    PRIMARY KEY (single)
    CREATE UNIQUE INDEX target_pkey ON public.target USING btree (single)

TABLE transaction_base
    single boolean NOT NULL DEFAULT true
    base bigint NOT NULL
    CHECK (single)
    PRIMARY KEY (single)
    CREATE UNIQUE INDEX transaction_base_pkey ON public.transaction_base USING btree (single)

TABLE wipe_begun
    machine text NOT NULL
    generation bigint NOT NULL
    at_ms bigint NOT NULL DEFAULT now_ms()
    CHECK ((generation >= 0))
    FOREIGN KEY (machine) REFERENCES machine(id)
    PRIMARY KEY (machine, generation)
    CREATE INDEX wipe_begun_at ON public.wipe_begun USING btree (at_ms)
    CREATE UNIQUE INDEX wipe_begun_pkey ON public.wipe_begun USING btree (machine, generation)

TABLE work
    kind text NOT NULL
    key text NOT NULL
    due_ms bigint NOT NULL
    marks bigint NOT NULL DEFAULT 0
    attempts bigint NOT NULL DEFAULT 0
    epoch bigint
    lease_until_ms bigint
    PRIMARY KEY (kind, key)
    CREATE INDEX work_due ON public.work USING btree (due_ms)
    CREATE UNIQUE INDEX work_pkey ON public.work USING btree (kind, key)

TABLE write_start
    nonce text NOT NULL
    machine text NOT NULL
    generation bigint NOT NULL
    attempt bigint NOT NULL
    boot_id text NOT NULL
    at_ms bigint NOT NULL
    code text
    reason text
    xact bigint NOT NULL DEFAULT this_transaction()
    CHECK (((code IS NULL) = (reason IS NULL)))
    FOREIGN KEY (machine) REFERENCES machine(id)
    PRIMARY KEY (nonce)
    CREATE INDEX write_start_machine ON public.write_start USING btree (machine, generation)
    CREATE INDEX write_start_xact ON public.write_start USING brin (xact)
    CREATE UNIQUE INDEX write_start_pkey ON public.write_start USING btree (nonce)
