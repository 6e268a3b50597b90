//! Looking at a plan is not agreeing to it: what a commit erases was shown before it arrived, or a person
//! said so.

use crate::bed::{Bed, example};
use rack_api::fact::FactBody;
use rack_api::inventory::{Cpu, Disk, DiskKind, Firmware, FirmwareKind, Inventory, Nic};
use rack_api::job::JobRef;
use reconciler_core::people::{
    self, ApplyAnswer, ApplyRequest, ApproveRequest, PlanAnswer, PlanRequest, Stage, Status,
};
use schema_ids::{Generation, MachineId};

/// What the machine's disk holds at first, and what it holds later.
const FOUND: &str = "data:ext4-0001";
const FOUND_LATER: &str = "data:xfs-0002";

/// The example with approvals, and consent to lose either.
fn whole() -> String {
    let consent = format!(
        "boot.mode = \"bios\"\nconsent = [{{ disk = \"serial:d1\", contents = \"{FOUND}\" }}, \
         {{ disk = \"serial:d1\", contents = \"{FOUND_LATER}\" }}]\n"
    );
    example()
        .replace("unreviewed = \"allow\"", "unreviewed = \"approve\"")
        .replace("boot.mode = \"bios\"\n", &consent)
}

/// The machine was inspected.
pub(crate) async fn tell(bed: &Bed, machine: MachineId, sequence: u64, holds: &str) {
    let inventory = Inventory {
        uuid: None,
        serial: Some("LAB-0001".to_owned()),
        vendor: String::new(),
        product: String::new(),
        firmware: Firmware {
            kind: FirmwareKind::Bios,
            version: String::new(),
        },
        cpu: Cpu {
            arch: "amd64".to_owned(),
            model: String::new(),
            cores: 1,
            threads: 1,
        },
        memory_bytes: 1 << 30,
        disks: vec![Disk {
            id: Some("serial:d1".parse().unwrap()),
            path: "/dev/vda".to_owned(),
            model: String::new(),
            serial: "d1".to_owned(),
            size_bytes: 20_000_000_000,
            kind: DiskKind::Ssd,
            local: true,
            content: holds.parse().unwrap(),
            holds: String::new(),
        }],
        nics: vec![Nic {
            name: "eth0".to_owned(),
            mac: "52:54:00:77:00:01".parse().unwrap(),
            speed_mbps: None,
            link: true,
            driver: String::new(),
        }],
        bmc: None,
        pci: None,
        mark: None,
    };
    let body = FactBody::Inventory {
        job: JobRef {
            machine,
            generation: Generation(1),
            attempt: 1,
        },
        inventory: Box::new(inventory),
    };
    bed.hear(sequence, vec![body]).await;
}

/// A musterd that has adopted the machine without a deployment, and planned it again as inspected.
async fn inspected() -> (Bed, MachineId, Status) {
    let whole = whole();
    let (machine, _) = whole.split_once("[deployment.").unwrap();
    let mut bed = Bed::new(machine);
    bed.start(&[]);
    let first = bed
        .until("one machine", |status| status.machines.len() == 1)
        .await;
    let id = first.machines[0].id;
    tell(&bed, id, 1, FOUND).await;
    let again = bed
        .until("planned again", |status| status.adopted != first.adopted)
        .await;
    (bed, id, again)
}

fn is_stopped(status: &Status) -> bool {
    let stopped = status
        .revision
        .as_ref()
        .and_then(|revision| revision.stopped.as_ref());
    stopped.is_some_and(|told| told.code == "PLAN_CHANGED_SINCE_SHOWN")
}

fn commit(status: &Status) -> Option<String> {
    status.adopted.as_ref()?.commit.clone()
}

async fn apply(bed: &Bed, plan: &str) -> Result<ApplyAnswer, String> {
    let plan = Some(plan.to_owned());
    bed.post(people::APPLY, &ApplyRequest { plan }).await
}

#[tokio::test]
async fn who_looks_after_the_merge_has_approved_nothing_and_leaves_no_trace() {
    let (bed, machine, before) = inspected().await;
    bed.commit(&[("fleet.toml", Some(&whole()))], "deploy, unseen");
    let stopped = bed.until("stopped", is_stopped).await;
    let told = stopped
        .revision
        .clone()
        .and_then(|revision| revision.stopped)
        .unwrap();
    let stored = || ["plan", "revision"].map(|table| bed.table(table));
    let kept = stored();
    for _ in 0..3 {
        let looked = bed.plan().await.unwrap().plan;
        assert!(told.message.contains(&looked.id), "{}", told.message);
        assert_eq!(bed.apply().await.revision.stopped.as_ref(), Some(&told));
    }
    let after = bed.until("stopped", is_stopped).await;
    assert_eq!(
        after.revision, stopped.revision,
        "since when it stands there, and all"
    );
    assert_eq!(after.adopted, before.adopted);
    assert_eq!(stored(), kept);

    // Named by a person it is carried out, if it is still what would be carried out.
    let named = bed.plan().await.unwrap().plan.id;
    tell(&bed, machine, 2, FOUND_LATER).await;
    let refused = apply(&bed, &named).await.unwrap_err();
    assert!(refused.contains("M0901") && refused.contains(&named), "{refused}");
    let status = bed.until("stopped", is_stopped).await;
    assert_eq!(
        commit(&status),
        commit(&before),
        "stale, so nothing was carried out"
    );

    let named = bed.plan().await.unwrap().plan;
    let answer = apply(&bed, &named.id).await.unwrap().revision;
    assert_eq!((answer.stage, answer.stopped), (Stage::Adopted, None));
    let status = bed
        .until("adopted", |status| commit(status) == named.commit)
        .await;
    assert!(status.machines[0].wanted.starts_with("first[1]"), "{status:#?}");
    let approvals = bed.table("approval");
    assert!(
        approvals.len() == 1 && approvals[0].contains(&named.wipe_set.digest),
        "{approvals:?}"
    );
    let again = apply(&bed, &named.id).await;
    assert!(
        again.is_ok_and(|answer| answer.revision.stopped.is_none()),
        "twice changes nothing"
    );
}

#[tokio::test]
async fn what_was_shown_before_the_merge_or_approved_after_it_is_carried_out() {
    let (bed, _, _) = inspected().await;
    bed.git(&["checkout", "-q", "-b", "proposal"]);
    bed.commit(&[("fleet.toml", Some(&whole()))], "deploy");
    let head = Some("proposal".to_owned());
    let shown: PlanAnswer = bed
        .post(
            people::PLAN,
            &PlanRequest {
                head,
                ..PlanRequest::default()
            },
        )
        .await
        .unwrap();
    assert_eq!(shown.plan.wipe_set.entries.len(), 1);
    bed.git(&["checkout", "-q", "main"]);
    bed.git(&["merge", "-q", "--no-ff", "-m", "merge", "proposal"]);
    let merged = bed
        .until("merged", |status| !status.machines[0].wanted.starts_with("ready"))
        .await;
    assert_ne!(
        commit(&merged),
        shown.plan.commit,
        "the merge is a commit of its own"
    );

    // What is about to be erased was agreed to: a commit that changes nothing of it waits for nobody, and whoever
    // carries it out agrees to nothing.
    let comment = format!("{}\n# Checked.\n", whole());
    bed.commit(&[("fleet.toml", Some(&comment))], "a comment");
    let plan = bed.plan().await.unwrap().plan;
    assert_eq!(plan.wipe_set.entries.len(), 1, "it is not erased yet");
    apply(&bed, &plan.id).await.unwrap();
    bed.until("carried out", |status| commit(status) == plan.commit)
        .await;
    assert_eq!(bed.table("approval"), Vec::<String>::new());

    bed.commit(
        &[("fleet.toml", Some(&whole().replace("\"{name}\"", "\"front\"")))],
        "another hostname",
    );
    bed.until("stopped", is_stopped).await;
    let plan = bed.plan().await.unwrap().plan;
    let approval = ApproveRequest {
        plan: plan.id.clone(),
        wipe_set: plan.wipe_set.digest.clone(),
    };
    let _: serde_json::Value = bed.post(people::APPROVE, &approval).await.unwrap();
    bed.until("approved", |status| commit(status) == plan.commit)
        .await;
}
