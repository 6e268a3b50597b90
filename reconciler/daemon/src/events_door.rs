//! The events of a commit, for `muster apply`: read from what is stored, each time anew.

use crate::daemon::Daemon;
use crate::people_door::Refused;
use crate::plan_door;
use axum::Json;
use axum::extract::State;
use reconciler_core::event::{self, Adopted};
use reconciler_core::people::events::{EventsPage, EventsRequest};
use reconciler_store::{Adoptions, Asked, StoreError};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Plans that are kept read: several commits' at once, each planned again with every inventory.
const PLANS_MAX: usize = 4096;

/// What of adopted plans is told, by their ids. They never change, and readers ask every second.
#[derive(Debug, Default)]
pub(crate) struct ToldPlans(Mutex<BTreeMap<String, Arc<Adopted>>>);

/// Events behind a number.
pub(crate) async fn post(
    State(daemon): State<Arc<Daemon>>,
    Json(request): Json<EventsRequest>,
) -> Result<Json<EventsPage>, Refused> {
    let plan = plan_door::stored(&daemon, &request.plan).await?;
    let commit = plan.commit.unwrap_or_default();
    let adoptions = daemon.store.adoptions(&commit).await?;
    let adopted = told(&daemon, &adoptions).await?;
    let mut machines = BTreeMap::new();
    for (plan, place) in adopted.iter().zip(&adoptions.plans) {
        for machine in &plan.machines {
            machines.entry(*machine).or_insert(place.transaction);
        }
    }
    let asked = Asked {
        commit: &commit,
        adoptions: &adoptions,
        machines: &machines,
        from: event::transaction_of(request.after),
    };
    let happenings = daemon.store.happenings(&asked).await?;
    Ok(Json(EventsPage {
        events: event::events(&commit, &happenings, &adopted, request.after),
        next: event::before_transaction(happenings.settled).max(request.after),
        begun: event::before_transaction(happenings.begun),
        machines: machines.into_keys().collect(),
        superseded: adoptions.superseded.is_some(),
    }))
}

/// The plans of a commit, in the order of their adoption.
async fn told(daemon: &Daemon, adoptions: &Adoptions) -> Result<Vec<Adopted>, StoreError> {
    let mut all = Vec::new();
    for place in &adoptions.plans {
        let known = daemon.told_plans.known(&place.plan);
        let adopted = match known {
            Some(adopted) => Some(adopted),
            None => daemon
                .store
                .plan(&place.plan)
                .await?
                .map(|plan| daemon.told_plans.remember(&plan)),
        };
        all.extend(adopted.map(|adopted| Adopted::clone(&adopted)));
    }
    Ok(all)
}

impl ToldPlans {
    fn known(&self, plan: &str) -> Option<Arc<Adopted>> {
        let plans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        plans.get(plan).cloned()
    }

    fn remember(&self, plan: &reconciler_core::plan::Plan) -> Arc<Adopted> {
        let mut plans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if plans.len() >= PLANS_MAX {
            plans.clear();
        }
        let adopted = Arc::new(Adopted::of(plan));
        plans.insert(plan.id.clone(), Arc::clone(&adopted));
        adopted
    }
}
