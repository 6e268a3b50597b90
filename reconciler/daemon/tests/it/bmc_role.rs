//! Two agents of one rack: one is told of the BMC, and the other once the first was silent for long enough.

use crate::bed::{Bed, example};
use std::time::{Duration, Instant};

/// A lease of this test, and the silence after which it is given away.
const LEASE: Duration = Duration::from_secs(8);
const SILENCE: Duration = Duration::from_secs(12);

/// Whether this agent is told of the only machine's BMC; its sync counts as a sign of life.
async fn is_told(bed: &Bed, agent: &str) -> bool {
    let answer = bed.hear_from(agent, 1, Vec::new()).await;
    let (_, desired) = answer.desired.expect("a plan is adopted");
    let machine = desired.config.machines.into_values().next().expect("one machine");
    let Some(access) = machine.bmc else { return false };
    assert_eq!(access.lease_ms, 8000);
    let account = bed
        .enrol(agent)
        .await
        .keys
        .open(&access.sealed)
        .expect("it is sealed to this agent");
    assert_eq!(account.password, "hunter2");
    true
}

#[tokio::test]
async fn bmcs_go_to_the_other_agent_when_their_holder_is_silent_and_never_to_both() {
    let mut bed = Bed::new("");
    std::fs::create_dir(bed.path("secrets")).unwrap();
    let account = "username = \"admin\"\npassword = \"hunter2\"\n";
    std::fs::write(bed.path("secrets/bmc.toml"), account).unwrap();
    let fleet = example()
        .replace(
            "/etc/muster/secrets/lab-bmc.toml",
            &bed.path("secrets/bmc.toml").display().to_string(),
        )
        .replace("agents = [\"rackd-1\"]", "agents = [\"rackd-1\", \"rackd-2\"]");
    assert!(fleet.contains("rackd-2"));
    bed.commit(&[("fleet.toml", Some(&fleet))], "two agents");
    bed.words = vec!["--bmc-lease-seconds".to_owned(), LEASE.as_secs().to_string()];
    bed.start(&[]);
    bed.until("adopted", |status| status.adopted.is_some()).await;

    let until = Instant::now() + Duration::from_secs(60);
    while !is_told(&bed, "rackd-1").await {
        assert!(!is_told(&bed, "rackd-2").await, "git names the first");
        assert!(Instant::now() < until, "nobody has them:\n{}", bed.log());
    }
    // While the holder is heard the other gets nothing.
    let mut heard = Instant::now();
    let began = heard;
    while began.elapsed() < SILENCE + LEASE / 2 {
        assert!(!is_told(&bed, "rackd-2").await);
        heard = Instant::now();
        assert!(is_told(&bed, "rackd-1").await);
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    // Silent from here on.
    let until = Instant::now() + Duration::from_secs(60);
    while !is_told(&bed, "rackd-2").await {
        assert!(Instant::now() < until, "nobody took them over:\n{}", bed.log());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(heard.elapsed() >= SILENCE, "too early: {:?}", heard.elapsed());
    assert!(
        !is_told(&bed, "rackd-1").await,
        "who comes back does not take them back"
    );
    assert!(is_told(&bed, "rackd-2").await);

    // The account was never written down in clear.
    let tables = bed.tables();
    assert!(tables.iter().any(|table| table == "agent_key"), "{tables:?}");
    for table in tables {
        assert!(!bed.table(&table).join("\n").contains("hunter2"), "{table}");
    }
    assert!(!bed.log().contains("hunter2"));
}
