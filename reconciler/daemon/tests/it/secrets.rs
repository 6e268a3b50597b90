//! Secrets reach the rack agent, and only those of their folder: a commit can name any file.

use crate::bed::{Bed, example};
use reconciler_core::people::Status;
use std::fs;

/// The account that the agent is given for the only machine's BMC.
async fn account(bed: &Bed) -> Option<(String, String)> {
    let (_, desired) = bed.hear(1, Vec::new()).await.desired.expect("a plan is adopted");
    let machine = desired.config.machines.into_values().next().expect("one machine");
    let sealed = machine.bmc?.sealed;
    assert!(!sealed.contains("hunter2"));
    let agent = bed.enrol("rackd-1").await;
    let account = agent.keys.open(&sealed).expect("it is sealed to this agent");
    Some((account.username, account.password))
}

#[tokio::test]
async fn a_commit_reaches_no_file_outside_the_folder_of_secrets() {
    let named = "/etc/muster/secrets/lab-bmc.toml";
    let fleet = example();
    assert!(fleet.contains(named));
    let mut bed = Bed::new("");
    for folder in ["secrets", "elsewhere"] {
        fs::create_dir(bed.path(folder)).unwrap();
        let text = "username = \"admin\"\npassword = \"hunter2\"\n";
        fs::write(bed.path(folder).join("bmc.toml"), text).unwrap();
    }
    std::os::unix::fs::symlink(bed.path("elsewhere"), bed.path("secrets/link")).unwrap();
    bed.start(&[]);
    let inside = Some(("admin".to_owned(), "hunter2".to_owned()));
    for (file, wanted) in [
        ("secrets/bmc.toml", inside),
        ("elsewhere/bmc.toml", None),
        ("secrets/link/bmc.toml", None),
    ] {
        let path = bed.path("").join(file).display().to_string();
        bed.commit(&[("fleet.toml", Some(&fleet.replace(named, &path)))], file);
        let is_adopted = |status: &Status| {
            let revision = status
                .revision
                .as_ref()
                .filter(|revision| revision.summary == file);
            let adopted = status
                .adopted
                .as_ref()
                .and_then(|adopted| adopted.commit.as_ref());
            revision.is_some_and(|revision| Some(&revision.commit) == adopted)
        };
        bed.until(file, is_adopted).await;
        assert_eq!(account(&bed).await, wanted, "{file}");
        assert!(!bed.log().contains("hunter2"));
    }
    assert!(bed.log().contains("does not lie below"), "{}", bed.log());
}
