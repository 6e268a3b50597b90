//! Adoption: the compare-and-set that makes a plan the one that is carried out.
//!
//! The target row is locked first, so adoptions queue behind each other; whoever comes second finds
//! another parent and is told so. A go is recorded under the same row ([`crate::start`]), so that one of
//! the two always sees the other: either the go finds another plan, or the plan finds that it was made
//! without knowing of the go. Nothing here chooses: machines and bindings become what the plan says, and
//! the unique indexes refuse a plan that gives away what another binding still holds.

use crate::column::{generation, read, time};
use crate::orders::DECIDED_MAX;
use crate::store::Fault;
use crate::work::{self, WorkItem};
use crate::{By, Store, StoreError, audit, bmc_role, plans, restraint};
use reconciler_core::observed::{Binding, BindingState, Destroyed, Observed};
use reconciler_core::plan::Plan;
use reconciler_core::roles;
use schema_ids::{BindingId, Name};
use sqlx::{PgConnection, query, query_scalar};
use std::collections::BTreeSet;
use std::time::Duration;

/// What became of an adoption.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Adoption {
    /// The plan is the adopted one, now or already.
    Adopted,
    /// Another plan was adopted meanwhile: plan anew against it.
    Stale {
        /// The adopted plan.
        current: Option<String>,
    },
    /// A machine of which the plan wants something new was told that it may write, and the plan was made
    /// without knowing it: plan anew.
    Begun {
        /// The first of them.
        machine: Name,
    },
    /// A hold was made or ended since the plan's snapshot: plan anew.
    Held,
    /// The plan's snapshot was taken too long ago, while what was opened and what was counted ended: plan anew, and
    /// faster.
    TooLate {
        /// So long.
        after: Duration,
    },
}

/// What a plan was made of.
#[derive(Debug, Clone, Copy)]
pub struct Basis<'a> {
    /// The plan that was adopted, or the empty one.
    pub parent: &'a Plan,
    /// The snapshot.
    pub observed: &'a Observed,
}

impl Store {
    /// Makes `plan` the adopted one if its parent still is and, since the snapshot that it was made of, no machine that it
    /// changes has begun to write, no hold was made or ended and no minute has passed: machines are claimed and renamed, bindings made, renamed, left
    /// and ended, BMCs taken from hands that lose them, and the audit written, all or nothing. A parent that is
    /// the empty plan counts as none. A binding that the plan does not name stays as it is.
    pub async fn adopt(&self, plan: &Plan, basis: Basis<'_>, by: &By) -> Result<Adoption, StoreError> {
        let adoption = self
            .run("adopting a plan", async {
                let mut transaction = self.begin().await?;
                let current = query_scalar!("SELECT plan_id FROM target FOR UPDATE")
                    .fetch_one(&mut *transaction)
                    .await?;
                if current.as_ref() == Some(&plan.id) {
                    return Ok(Adoption::Adopted);
                }
                let empty = Plan::empty(plan.fleet.clone()).id;
                if current.as_ref() != plan.parent.as_ref().filter(|parent| **parent != empty) {
                    return Ok(Adoption::Stale { current });
                }
                let now_ms = query_scalar!(r#"SELECT now_ms() AS "now!""#)
                    .fetch_one(&mut *transaction)
                    .await?;
                let after = time(now_ms).since(basis.observed.at);
                if after > DECIDED_MAX {
                    return Ok(Adoption::TooLate { after });
                }
                if restraint::holds(&mut transaction).await? != basis.observed.restraints.holds {
                    return Ok(Adoption::Held);
                }
                if let Some(machine) = begun(&mut transaction, plan, basis.observed).await? {
                    return Ok(Adoption::Begun { machine });
                }
                plans::save(&mut transaction, plan).await?;
                query!("UPDATE target SET plan_id = $1, since_ms = now_ms()", plan.id)
                    .execute(&mut *transaction)
                    .await?;
                claim_machines(&mut transaction, plan).await?;
                record_destroyed(&mut transaction, plan, basis.parent).await?;
                end_bindings(&mut transaction, plan).await?;
                write_bindings(&mut transaction, plan).await.map_err(still_held)?;
                for moved in roles::moved(basis.parent, plan) {
                    bmc_role::bring(&mut transaction, &moved).await?;
                }
                audit::write(&mut transaction, "plan-adopted", None, &plan.id, by).await?;
                record_as_is(&mut transaction, plan, basis.parent, by).await?;
                let mut items: Vec<WorkItem> = plan.machines.keys().copied().map(WorkItem::Machine).collect();
                items.push(WorkItem::Fleet);
                work::mark(&mut transaction, &items, Duration::ZERO).await?;
                transaction.commit().await?;
                Ok(Adoption::Adopted)
            })
            .await?;
        self.hint();
        Ok(adoption)
    }
}

/// That a machine has a slot as it is, with what each of its disks holds; and that this is over.
async fn record_as_is(
    connection: &mut PgConnection,
    plan: &Plan,
    parent: &Plan,
    by: &By,
) -> Result<(), Fault> {
    let bound = |plan: &Plan, binding| {
        let bound = plan.bindings.get(binding);
        bound.map_or_else(String::new, |bound| {
            format!("{}[{}]", bound.deployment, bound.slot)
        })
    };
    for (id, machine) in &plan.machines {
        let before = parent.machines.get(id).and_then(|before| before.as_is.as_ref());
        match (before, &machine.as_is) {
            (before, Some(record)) if before.map(|before| before.binding) != Some(record.binding) => {
                let held = record
                    .disks
                    .iter()
                    .map(|held| format!("{} holds {}", held.disk, held.content));
                let held: Vec<String> = held.collect();
                let subject = format!("{}: {}", bound(plan, &record.binding), held.join(", "));
                audit::write(connection, "machine-adopted", Some(*id), &subject, by).await?;
            }
            (Some(before), None) => {
                let subject = bound(parent, &before.binding);
                audit::write(connection, "adoption-ended", Some(*id), &subject, by).await?;
            }
            (None | Some(_), _) => {}
        }
    }
    Ok(())
}

/// What limits count for a day from now on, by what the machine was bound for and by where it was and is.
async fn record_destroyed(connection: &mut PgConnection, plan: &Plan, parent: &Plan) -> Result<(), Fault> {
    for id in &plan.destroys {
        let destroyed = Destroyed::by(plan, parent, *id, plan.made);
        let names = |names: &BTreeSet<Name>| -> Vec<String> { names.iter().map(Name::to_string).collect() };
        query!(
            "INSERT INTO destroyed (plan_id, machine, deployment, zones, pools)
             SELECT $1, $2, (SELECT deployment FROM binding WHERE machine = $2 AND state <> 'ended' LIMIT 1), $3, $4
             ON CONFLICT DO NOTHING",
            plan.id,
            id.to_string(),
            &names(&destroyed.zones),
            &names(&destroyed.pools)
        )
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// A machine whose generation the plan raises, or that it drops, and that was given a go in a later
/// generation than the plan's snapshot knew of. The others are left as they are, so that a fleet that is
/// being installed can be planned.
async fn begun(
    connection: &mut PgConnection,
    plan: &Plan,
    observed: &Observed,
) -> Result<Option<Name>, Fault> {
    let (mut planned, mut generations) = (Vec::new(), Vec::new());
    for (id, machine) in &plan.machines {
        planned.push(id.to_string());
        generations.push(generation(machine.wanted.generation)?);
    }
    let (mut seen, mut written) = (Vec::new(), Vec::new());
    for (id, machine) in &observed.machines {
        seen.push(id.to_string());
        // Generations begin at nought.
        written.push(machine.written_in.map_or(Ok(-1), generation)?);
    }
    let name = query_scalar!(
        "SELECT name FROM machine
         LEFT JOIN unnest($1::text[], $2::bigint[]) AS planned (id, generation) USING (id)
         LEFT JOIN unnest($3::text[], $4::bigint[]) AS seen (id, written_in) USING (id)
         WHERE machine.generation IS DISTINCT FROM planned.generation
           AND (SELECT max(generation) FROM write_start WHERE machine = machine.id AND code IS NULL)
               > coalesce(seen.written_in, -1)
         ORDER BY name LIMIT 1",
        &planned,
        &generations,
        &seen,
        &written
    )
    .fetch_optional(connection)
    .await?;
    Ok(name.map(|name| read("machine", "name", &name)).transpose()?)
}

async fn claim_machines(connection: &mut PgConnection, plan: &Plan) -> Result<(), Fault> {
    let (mut ids, mut names, mut generations) = (Vec::new(), Vec::new(), Vec::new());
    for (id, machine) in &plan.machines {
        ids.push(id.to_string());
        names.push(machine.name.to_string());
        generations.push(generation(machine.wanted.generation)?);
    }
    query!(
        "INSERT INTO machine (id, name, generation, claimed_by)
         SELECT id, name, generation, $4
         FROM unnest($1::text[], $2::text[], $3::bigint[]) AS planned (id, name, generation)
         ON CONFLICT (id) DO UPDATE
             SET name = excluded.name, generation = greatest(machine.generation, excluded.generation)",
        &ids,
        &names,
        &generations,
        plan.id
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn end_bindings(connection: &mut PgConnection, plan: &Plan) -> Result<(), Fault> {
    let ended: Vec<String> = plan.ended.iter().map(BindingId::to_string).collect();
    query!(
        "UPDATE binding SET state = 'ended', ended_by = $2 WHERE id = ANY($1) AND state <> 'ended'",
        &ended,
        plan.id
    )
    .execute(&mut *connection)
    .await?;
    query!(
        "UPDATE binding_disk SET ended = true WHERE binding = ANY($1)",
        &ended
    )
    .execute(&mut *connection)
    .await?;
    query!(
        "UPDATE binding_address SET ended = true WHERE binding = ANY($1)",
        &ended
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Those that leave go first, so that a slot passes on within one plan.
async fn write_bindings(connection: &mut PgConnection, plan: &Plan) -> Result<(), Fault> {
    for (state, word) in [
        (BindingState::Leaving, "leaving"),
        (BindingState::Active, "active"),
    ] {
        let bindings: Vec<_> = plan
            .bindings
            .iter()
            .filter(|(_, binding)| binding.state == state)
            .collect();
        write_bindings_in(connection, &bindings, word, &plan.id).await?;
    }
    let all: Vec<_> = plan.bindings.iter().collect();
    write_disks(connection, &all).await?;
    write_addresses(connection, &all).await
}

async fn write_bindings_in(
    connection: &mut PgConnection,
    bindings: &[(&BindingId, &Binding)],
    state: &str,
    plan: &str,
) -> Result<(), Fault> {
    let ids: Vec<String> = bindings.iter().map(|(id, _)| id.to_string()).collect();
    let deployments: Vec<String> = bindings
        .iter()
        .map(|(_, binding)| binding.deployment.to_string())
        .collect();
    let slots: Vec<i64> = bindings
        .iter()
        .map(|(_, binding)| i64::from(binding.slot))
        .collect();
    let machines: Vec<String> = bindings
        .iter()
        .map(|(_, binding)| binding.machine.to_string())
        .collect();
    let written = query_scalar!(
        "INSERT INTO binding (id, deployment, slot, machine, state, made_by)
         SELECT id, deployment, slot, machine, $5, $6
         FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[]) AS planned (id, deployment, slot, machine)
         ON CONFLICT (id) DO UPDATE SET state = excluded.state, deployment = excluded.deployment
             WHERE binding.state <> 'ended'
         RETURNING id",
        &ids,
        &deployments,
        &slots,
        &machines,
        state,
        plan
    )
    .fetch_all(connection)
    .await?;
    // What has ended stays ended: its disks and addresses may be others' by now.
    match ids.iter().find(|id| !written.contains(id)) {
        Some(id) => Err(StoreError::BindingEnded { binding: id.clone() }.into()),
        None => Ok(()),
    }
}

async fn write_disks(
    connection: &mut PgConnection,
    bindings: &[(&BindingId, &Binding)],
) -> Result<(), Fault> {
    let (mut owners, mut disks) = (Vec::new(), Vec::new());
    for (id, binding) in bindings {
        for disk in &binding.disks {
            owners.push(id.to_string());
            disks.push(disk.to_string());
        }
    }
    let ids: Vec<String> = bindings.iter().map(|(id, _)| id.to_string()).collect();
    query!(
        "DELETE FROM binding_disk WHERE binding = ANY($1) AND (binding, disk) NOT IN
             (SELECT * FROM unnest($2::text[], $3::text[]))",
        &ids,
        &owners,
        &disks
    )
    .execute(&mut *connection)
    .await?;
    query!(
        "INSERT INTO binding_disk (binding, disk) SELECT * FROM unnest($1::text[], $2::text[])
         ON CONFLICT (binding, disk) DO NOTHING",
        &owners,
        &disks
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn write_addresses(
    connection: &mut PgConnection,
    bindings: &[(&BindingId, &Binding)],
) -> Result<(), Fault> {
    let (mut owners, mut addresses) = (Vec::new(), Vec::new());
    for (id, binding) in bindings {
        for address in &binding.addresses {
            owners.push(id.to_string());
            addresses.push(address.to_string());
        }
    }
    let ids: Vec<String> = bindings.iter().map(|(id, _)| id.to_string()).collect();
    query!(
        "DELETE FROM binding_address WHERE binding = ANY($1) AND (binding, address) NOT IN
             (SELECT * FROM unnest($2::text[], $3::text[]))",
        &ids,
        &owners,
        &addresses
    )
    .execute(&mut *connection)
    .await?;
    query!(
        "INSERT INTO binding_address (binding, address) SELECT * FROM unnest($1::text[], $2::text[])
         ON CONFLICT (binding, address) DO NOTHING",
        &owners,
        &addresses
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// A broken unique index, said as what it means.
fn still_held(fault: Fault) -> Fault {
    let Fault::Sql(sqlx::Error::Database(error)) = &fault else {
        return fault;
    };
    let (true, Some(index)) = (error.is_unique_violation(), error.constraint()) else {
        return fault;
    };
    let detail = error
        .try_downcast_ref::<sqlx::postgres::PgDatabaseError>()
        .and_then(|error| error.detail())
        .unwrap_or_else(|| error.message());
    StoreError::StillHeld {
        index: index.to_owned(),
        detail: detail.to_owned(),
    }
    .into()
}
