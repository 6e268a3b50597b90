//! `muster machine fenced`: a person's word that a machine is off and will not come back as it was.

use crate::daemon::Daemon;
use crate::listener::Person;
use crate::people_door::{Refused, find, no_machine, reason, refused};
use crate::world;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use reconciler_core::next::may_vouch;
use reconciler_core::people::{FencedAnswer, FencedRequest};
use reconciler_core::refusal::RefusalCode;
use reconciler_store::{By, Fencing};
use std::sync::Arc;

/// Plans are adopted seldom: one more try would do.
const TRIES_MAX: u32 = 5;

pub(crate) async fn post(
    State(daemon): State<Arc<Daemon>>,
    Extension(person): Extension<Person>,
    Path(name): Path<String>,
    Json(request): Json<FencedRequest>,
) -> Result<Json<FencedAnswer>, Refused> {
    let why = reason(&request.reason)?;
    if why.is_empty() {
        let message = "say why you can tell that it is off for good: --reason";
        let code = RefusalCode::BadRequest.code();
        return Err(refused(StatusCode::BAD_REQUEST, code, message));
    }
    let by = By {
        who: person.to_string(),
        why: why.to_owned(),
    };
    for _ in 0..TRIES_MAX {
        let unknown = || no_machine(&name);
        let loaded = world::load(&daemon).await?.ok_or_else(unknown)?;
        let (id, machine) = find(&loaded.plan, &name).ok_or_else(unknown)?;
        let facts = loaded.facts.get(&id).ok_or_else(unknown)?;
        may_vouch(machine, facts).map_err(|no| refused(StatusCode::CONFLICT, no.code, no.message))?;
        let generation = machine.wanted.generation;
        if daemon.store.fence(&loaded.plan.id, id, generation, &by).await? == Fencing::Written {
            tracing::info!(machine = %id, generation = generation.0, by = %person, why, "vouched for as gone");
            daemon.announce();
            return Ok(Json(FencedAnswer {
                machine: id,
                generation,
            }));
        }
    }
    Err(refused(
        StatusCode::SERVICE_UNAVAILABLE,
        RefusalCode::Contended.code(),
        "other plans were adopted all the while",
    ))
}
