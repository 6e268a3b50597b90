//! What CI asks of `plan` and `apply`: how it ended as key=value lines, and that the plan is not made of
//! old observations.

use crate::arguments::Ci;
use crate::client::Client;
use crate::exit::Failure;
use reconciler_core::people::{self, Status};
use reconciler_core::plan::{Change, Plan};
use schema_ids::{Name, Timestamp};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;

/// Appends the lines to the file that was named, if one was.
pub(crate) fn write(ci: &Ci, outcome: &str, plan: Option<&Plan>) -> Result<(), Failure> {
    let Some(path) = &ci.output_file else {
        return Ok(());
    };
    let fail = |source| Failure::File {
        what: "write to",
        path: path.clone(),
        source,
    };
    let mut file = File::options()
        .create(true)
        .append(true)
        .open(path)
        .map_err(fail)?;
    file.write_all(lines(outcome, plan).as_bytes()).map_err(fail)
}

fn lines(outcome: &str, plan: Option<&Plan>) -> String {
    let destructive = plan.is_some_and(|plan| plan.changes.iter().any(Change::destructive));
    let blocked = plan.is_some_and(|plan| !plan.applicable());
    let id = plan.map_or("", |plan| &plan.id);
    let wipe_set = plan.map_or("", |plan| &plan.wipe_set.digest);
    format!(
        "outcome={outcome}\ndestructive={destructive}\nblocked={blocked}\nplan-id={id}\nwipe-set={wipe_set}\n"
    )
}

/// Fails if an agent that the plan names was not heard for longer than CI allows.
pub(crate) fn fresh(client: &Client, ci: &Ci, plan: &Plan) -> Result<(), Failure> {
    if ci.max_age.is_none() {
        return Ok(());
    }
    let status: Status = client.get(people::STATUS)?;
    heard(ci, plan, &status.agents, status.now)
}

/// The same, of agents that were heard at these times, when it is now.
pub(crate) fn heard(
    ci: &Ci,
    plan: &Plan,
    agents: &BTreeMap<Name, Timestamp>,
    now: Timestamp,
) -> Result<(), Failure> {
    let Some(allowed) = ci.max_age else {
        return Ok(());
    };
    let named = plan.links.values().flat_map(|link| &link.agents);
    let driving = plan
        .machines
        .values()
        .filter_map(|machine| machine.bmc_agent.as_ref());
    for agent in named.chain(driving) {
        let heard = agents.get(agent).copied();
        if heard.is_some_and(|heard| heard.plus(allowed.0) >= now) {
            continue;
        }
        let last = heard.map_or("never".to_owned(), |heard| format!("last at {heard}"));
        return Err(Failure::Old(format!(
            "rack agent {agent} was heard {last}, which is not within {allowed}: the plan is made of what was \
             known then"
        )));
    }
    Ok(())
}
