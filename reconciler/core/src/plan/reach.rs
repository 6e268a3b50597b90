//! How many machines are left after each thing that a deployment asks, whether it lacks machines or not: the funnel.
//!
//! It asks of every machine what `--against` asks of one ([`against`](crate::plan::against)), in the same order, by the same functions.
//! Whoever has a slot keeps it and counts as fit, as in planning. Spread and layout depend on whom else is chosen and are not in it;
//! a plan that lacks machines tells of both.

use crate::plan::against::Ground;
use crate::status::DeploymentStatus;
use schema_ids::Name;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A deployment as `muster why` tells of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentDetail {
    /// Its name.
    pub name: Name,
    /// The machine in each slot that is filled.
    pub slots: BTreeMap<u32, Name>,
    /// The code of what it waits on, and why, if it lacks machines.
    pub lacks: Option<(String, String)>,
    /// Who would do; absent where the commit that is carried out has no such deployment any more.
    pub funnel: Option<Reach>,
}

/// The machines of the fleet, and what is left of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Reach {
    /// How many it wants.
    pub wanted: u32,
    /// How many are looked at.
    pub machines: usize,
    /// What is asked, in the order in which it is asked.
    pub stages: Vec<Stage>,
}

/// One thing that is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Stage {
    /// The field of `require`, or what stands beside it: `named`, `not reserved`, `free` …
    pub what: String,
    /// What is wanted.
    pub wanted: String,
    /// How many machines meet this and all before it.
    pub left: usize,
}

impl Ground<'_> {
    /// Who would do for a deployment; `None` if the commit has none of this name.
    pub fn reach(&self, name: &Name) -> Option<Reach> {
        let deployment = self.fleet.deployments.get(name)?;
        let wanted = match &deployment.count {
            Some(count) => count.value,
            None => deployment.machines.len().try_into().unwrap_or(u32::MAX),
        };
        let (mut machines, mut stages) = (0, Vec::<Stage>::new());
        for told in self.plan.machines.keys().filter_map(|id| self.against(*id, name)) {
            machines += 1;
            let keeps_it = told.slot.is_some();
            let mut met = true;
            for (at, row) in told.rows.into_iter().enumerate() {
                met = met && (row.met || keeps_it);
                if stages.len() == at {
                    stages.push(Stage {
                        what: row.what,
                        wanted: row.wanted,
                        left: 0,
                    });
                }
                stages[at].left += usize::from(met);
            }
        }
        Some(Reach {
            wanted,
            machines,
            stages,
        })
    }
}

impl DeploymentDetail {
    /// Of a deployment with what is known of it.
    pub fn of(status: DeploymentStatus, funnel: Option<Reach>) -> Self {
        let DeploymentStatus { name, slots, lacks } = status;
        Self {
            name,
            slots,
            lacks,
            funnel,
        }
    }
}

impl Reach {
    /// A line for each thing that is asked, with who is left.
    pub(crate) fn lines(&self) -> Vec<String> {
        let widths = self.stages.iter().map(|stage| stage.what.len());
        let width = widths.max().unwrap_or_default().max("machines".len());
        let mut lines = vec!["  who would do, by what is left after each thing that is asked:".to_owned()];
        lines.push(format!("    {:<width$}  {}", "machines", self.machines));
        for stage in &self.stages {
            let asked = match stage.wanted.as_str() {
                "yes" => String::new(),
                wanted => format!("   {wanted}"),
            };
            lines.push(format!("    {:<width$}  {}{asked}", stage.what, stage.left));
        }
        lines.push(format!("    {:<width$}  {}", "wanted", self.wanted));
        lines
    }
}
