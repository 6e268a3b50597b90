//! Enrolment, renewal, revocation and the authorities, at the agents' own door.

use crate::agent::{Enrolled, Keys};
use crate::bed::{Bed, example};
use rack_api::daemon_path;
use rack_api::enrol;
use rack_api::sync::{SyncRequest, SyncResponse};
use reconciler_core::people::agents::{
    self, Agent, AuthorityAnswer, AuthorityRequest, RevokeRequest, TokenRequest,
};
use schema_ids::Uuid;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

async fn started(words: &[&str]) -> Bed {
    let mut bed = Bed::new(&example());
    bed.words = words.iter().map(|word| (*word).to_owned()).collect();
    bed.start(&[]);
    bed.until("adopted", |status| status.adopted.is_some()).await;
    bed
}

/// What musterd says to a sync of this agent.
async fn sync(bed: &Bed, agent: &Enrolled, name: &str) -> Result<SyncResponse, String> {
    let request = SyncRequest {
        agent: name.parse().unwrap(),
        boot: Uuid::from_bytes([1; 16]),
        incarnation: None,
        generations: BTreeMap::new(),
        have: None,
        acknowledged: 0,
        facts: Vec::new(),
        watermark: 0,
        wait_ms: 0,
    };
    agent.post(bed, daemon_path::SYNC, &request).await
}

fn refused<T: std::fmt::Debug>(answer: Result<T, String>, status: &str, why: &str) {
    let told = answer.expect_err("it is refused");
    assert!(told.starts_with(status) && told.contains(why), "{told}");
}

#[tokio::test]
async fn a_token_enrols_one_key_once_and_the_key_is_the_name() {
    let bed = started(&[]).await;
    let token = bed.token("rackd-1", 60).await;
    let keys = Keys::make();
    let answer = keys.enrol(&bed, &token).await.unwrap();
    assert_eq!(answer.agent.as_str(), "rackd-1");
    let agent = Enrolled { keys, answer };
    sync(&bed, &agent, "rackd-1").await.expect("it may speak");
    refused(sync(&bed, &agent, "rackd-2").await, "403", "not rackd-2's");

    // An answer that was lost is given again to the same key, and to no other.
    agent.keys.enrol(&bed, &token).await.expect("the same key again");
    sync(&bed, &agent, "rackd-1")
        .await
        .expect("and it may still speak");
    refused(
        Keys::make().enrol(&bed, &token).await,
        "403",
        "the token was used at",
    );

    let mut unknown = token.clone();
    unknown.secret = "0".repeat(32);
    refused(Keys::make().enrol(&bed, &unknown).await, "403", "no such token");
    let short = bed.token("rackd-1", 1).await;
    let until = Instant::now() + Duration::from_secs(60);
    // Its second is over by musterd's clock once musterd says so; a key that comes too early is a fresh one.
    let probe = loop {
        let late = Keys::make();
        tokio::time::sleep(Duration::from_millis(1100)).await;
        let answer = late.enrol(&bed, &short).await;
        assert!(Instant::now() < until);
        if answer.is_err() {
            break answer;
        }
    };
    refused(probe, "403", "the token ended at");
    let nonsense = TokenRequest {
        agent: "rackd-1".parse().unwrap(),
        seconds: 0,
    };
    let told = bed.post::<serde_json::Value>(agents::TOKEN, &nonsense).await;
    assert!(told.unwrap_err().contains("from 1 to"));

    // Nobody's key, with a certificate that it made itself.
    let stranger = Enrolled {
        keys: Keys::make(),
        answer: agent.answer.clone(),
    };
    let stranger = Enrolled {
        answer: enrol::Enrolled {
            certificate: stranger.keys.own(),
            ..stranger.answer
        },
        keys: stranger.keys,
    };
    refused(sync(&bed, &stranger, "rackd-1").await, "403", "no agent's");
    let renewed = stranger
        .post::<enrol::Enrolled>(&bed, daemon_path::RENEW, &())
        .await;
    refused(renewed, "403", "no agent's");

    // The name goes on to another key with another token.
    let heir = Enrolled::with(&bed, &bed.token("rackd-1", 60).await)
        .await
        .unwrap();
    sync(&bed, &heir, "rackd-1").await.expect("the new key may speak");
    refused(sync(&bed, &agent, "rackd-1").await, "403", "was replaced at");

    // No secret is in the database or the log.
    let kept = [
        bed.table("agent_token").join("\n"),
        bed.table("audit").join("\n"),
        bed.log(),
    ]
    .join("\n");
    assert!(
        kept.contains("token-minted") && kept.contains("agent-enrolled"),
        "{kept}"
    );
    assert!(!kept.contains(&token.secret), "{kept}");
}

#[tokio::test]
async fn a_revoked_agent_is_out_with_its_next_word() {
    let bed = started(&[]).await;
    let agent = bed.enrol("rackd-1").await;
    sync(&bed, &agent, "rackd-1").await.expect("it may speak");
    // On one connection, so that no handshake comes in between.
    let client = agent.client();
    let ask = async || {
        client
            .get(bed.door(daemon_path::ROOTS))
            .send()
            .await
            .unwrap()
            .status()
    };
    assert_eq!(ask().await, 200);
    let pending = bed.token("rackd-1", 60).await;
    let wish = RevokeRequest {
        agent: "rackd-1".parse().unwrap(),
    };
    bed.post::<serde_json::Value>(agents::REVOKE, &wish)
        .await
        .unwrap();
    assert_eq!(ask().await, 403);
    refused(sync(&bed, &agent, "rackd-1").await, "403", "was revoked at");
    let renewed = agent.post::<enrol::Enrolled>(&bed, daemon_path::RENEW, &()).await;
    refused(renewed, "403", "was revoked at");
    refused(Keys::make().enrol(&bed, &pending).await, "403", "ended at");
    let list: Vec<Agent> = bed.get(agents::AGENTS).await;
    assert!(list[0].revoked.is_some() && list[0].heard.is_some(), "{list:?}");
    let again = bed.post::<serde_json::Value>(agents::REVOKE, &wish).await;
    assert!(again.unwrap_err().contains("NOT_FOUND"));
}

#[tokio::test]
async fn an_expired_certificate_opens_renewal_alone() {
    let bed = started(&["--agent-certificate-seconds", "3"]).await;
    let mut agent = bed.enrol("rackd-1").await;
    // It ends by the clock; until then it opens the door, and never after.
    let until = Instant::now() + Duration::from_secs(60);
    let ended = loop {
        if let Err(ended) = sync(&bed, &agent, "rackd-1").await {
            break ended;
        }
        assert!(Instant::now() < until, "it never ends");
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    assert!(ended.starts_with("403") && ended.contains("has ended"), "{ended}");
    agent.answer = agent
        .post(&bed, daemon_path::RENEW, &())
        .await
        .expect("the key is pinned");
    sync(&bed, &agent, "rackd-1").await.expect("it may speak again");
}

#[tokio::test]
async fn two_authorities_are_trusted_until_every_agent_has_the_new_one() {
    let bed = started(&[]).await;
    let mut agent = bed.enrol("rackd-1").await;
    let old_token = bed.token("rackd-2", 60).await;
    let roll = async |wish| bed.post::<AuthorityAnswer>(agents::AUTHORITY, &wish).await;
    let rolled = roll(AuthorityRequest::Roll).await.unwrap();
    assert_eq!(rolled.trusted, 2);
    assert_ne!(rolled.pin, old_token.pin);
    assert!(
        roll(AuthorityRequest::Roll)
            .await
            .unwrap_err()
            .contains("NOT_YET")
    );

    // It knows the old authority alone: the daemon shows that the new one descends from it.
    sync(&bed, &agent, "rackd-1").await.expect("both know each other");
    assert!(
        roll(AuthorityRequest::Finish)
            .await
            .unwrap_err()
            .contains("rackd-1")
    );
    let former = agent.clone();
    agent.answer = agent.post(&bed, daemon_path::RENEW, &()).await.unwrap();
    assert_eq!(agent.answer.roots.matches("BEGIN CERTIFICATE").count(), 2);
    sync(&bed, &agent, "rackd-1").await.expect("with the new one too");

    assert_eq!(roll(AuthorityRequest::Finish).await.unwrap().trusted, 1);
    sync(&bed, &agent, "rackd-1")
        .await
        .expect("the renewed certificate is of the new authority");
    let told = sync(&bed, &former, "rackd-1")
        .await
        .expect_err("the daemon is not known by the old one");
    assert!(told.contains("UnknownIssuer"), "{told}");
}

#[tokio::test]
async fn a_body_that_never_comes_whole_is_not_waited_for() {
    let bed = started(&[]).await;
    let keys = Keys::make();
    let root = std::fs::read_to_string(bed.path("state/tls/ca-1.pem")).unwrap();
    let client = keys.client(&keys.own(), &root);
    // A byte now and then, for ever: a stranger's connection is not held by that.
    let drops = futures_util::stream::unfold((), |()| async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        Some((Ok::<_, std::io::Error>(" "), ()))
    });
    let asked = client
        .post(bed.door(daemon_path::ENROL))
        .header("content-type", "application/json")
        .header("content-length", "4000")
        .body(reqwest::Body::wrap_stream(drops))
        .send();
    let told = tokio::time::timeout(Duration::from_secs(120), asked).await;
    match told.expect("musterd ends it") {
        Ok(answer) => assert_eq!(answer.status().as_u16(), 408),
        // It may close before the answer is read, since more of the body comes.
        Err(error) => assert!(error.is_request(), "{error:?}"),
    }
}
