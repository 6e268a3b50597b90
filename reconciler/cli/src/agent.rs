//! `muster agent`: tokens, the list, revocation, the authority.

use crate::arguments::AgentCommand;
use crate::client::Client;
use crate::exit::{Exit, Failure};
use crate::say::{say, say_json, tell};
use reconciler_core::people::agents::{
    self, Agent, AuthorityAnswer, AuthorityRequest, RevokeRequest, TokenAnswer, TokenRequest,
};
use serde::Serialize;

fn pretty(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).expect("views are plain data and always serialise")
}

/// Carries one of them out.
pub(crate) fn run(client: &Client, wish: &AgentCommand, json: bool) -> Result<Exit, Failure> {
    match wish {
        AgentCommand::Token { name, ttl } => {
            let request = TokenRequest {
                agent: name.clone(),
                seconds: ttl.0.as_secs(),
            };
            let answer: TokenAnswer = client.post(agents::TOKEN, &request)?;
            if json {
                say_json(pretty(&answer))?;
            } else {
                // The token alone on standard output, for scripts; what to do with it beside it.
                say(format_args!("{}", answer.token))?;
                tell(format_args!(
                    "On the agent's host, before {}:\n    muster-rackd enrol --daemon https://MUSTERD:7443 --token TOKEN",
                    answer.ends
                ));
            }
        }
        AgentCommand::List => {
            let known: Vec<Agent> = client.get(agents::AGENTS)?;
            if json {
                say_json(pretty(&known))?;
            } else if known.is_empty() {
                say(format_args!(
                    "No agent is enrolled. Begin with `muster agent token NAME`."
                ))?;
            } else {
                for agent in &known {
                    say(format_args!("{}", line(agent)))?;
                }
            }
        }
        AgentCommand::Revoke { name } => {
            let request = RevokeRequest { agent: name.clone() };
            let answer: serde_json::Value = client.post(agents::REVOKE, &request)?;
            if json {
                say_json(answer)?;
            } else {
                say(format_args!("{name} is revoked: its next word is refused."))?;
            }
        }
        AgentCommand::RollCa { finish } => {
            let request = if *finish {
                AuthorityRequest::Finish
            } else {
                AuthorityRequest::Roll
            };
            let answer: AuthorityAnswer = client.post(agents::AUTHORITY, &request)?;
            if json {
                say_json(pretty(&answer))?;
            } else if *finish {
                say(format_args!("Only the authority {} is trusted now.", answer.pin))?;
            } else {
                say(format_args!(
                    "The authority {} signs from now on. Agents renew within the hour; when `muster agent list` shows \
                     none of the old one, end it with `muster agent roll-ca --finish`.",
                    answer.pin
                ))?;
            }
        }
    }
    Ok(Exit::Done)
}

fn line(agent: &Agent) -> String {
    let heard = agent
        .heard
        .map_or("never heard".to_owned(), |at| format!("heard {at}"));
    let standing = match agent.revoked {
        Some(at) => format!("revoked {at}"),
        None if agent.newest_authority => format!("certificate to {}", agent.ends),
        None => format!("certificate of the old authority to {}", agent.ends),
    };
    format!(
        "{:<16} key {}  since {}  {heard}  {standing}",
        agent.name,
        agent.key.short(),
        agent.since
    )
}
