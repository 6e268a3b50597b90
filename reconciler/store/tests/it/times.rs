//! How long installations took, from what is on record of them.

use crate::bed::Bed;
use crate::fleet::{adopt, binding_id, boot_order, job, machine, name, plan, sync, uuid};
use rack_api::boot_order::BootOrder;
use rack_api::fact::FactBody;
use rack_api::inventory::FirmwareKind;
use rack_api::job::{Deploy, ImageFormat, ImageRef, Job, JobKind};
use rack_api::network::Network;
use rack_api::order::{Action, NextBoot, Order};
use reconciler_core::admit::Leave;
use reconciler_store::{Installation, Intended, Issuance, Issue};
use schema_ids::{Digest, Incarnation, Timestamp};

fn deploy(life: Incarnation, image: &str, user_data: Option<&str>) -> Deploy {
    Deploy {
        binding: binding_id(9),
        incarnation: life,
        spec: Digest([0; 32]),
        epoch: 0,
        hostname: "m".to_owned(),
        image: ImageRef {
            name: name(image),
            family: "debian-12".to_owned(),
            format: ImageFormat::TarZst,
            digest: Digest([1; 32]),
            unpacked_bytes: 0,
        },
        firmware: FirmwareKind::Uefi,
        disks: Vec::new(),
        arrays: Vec::new(),
        groups: Vec::new(),
        filesystems: Vec::new(),
        network: Network::default(),
        ssh_keys: Vec::new(),
        user_data: user_data.map(str::to_owned),
        kernel_args: Vec::new(),
    }
}

/// A fleet whose past is written down as it happens, to the second.
struct Fleet {
    bed: Bed,
    life: Incarnation,
    sequence: u64,
}

impl Fleet {
    async fn new() -> Self {
        let bed = Bed::new().await;
        adopt(&bed, &plan("p-1", None, &[(1, 1), (2, 1), (3, 1)])).await;
        let life = bed.identity().await.unwrap().incarnation;
        Self {
            bed,
            life,
            sequence: 0,
        }
    }

    /// So many seconds ago, this was ordered of a machine, under this number.
    async fn ordered(&self, ago: i64, n: u8, number: u32, kind: Option<JobKind>) {
        let next = kind.map_or(NextBoot::Local, |kind| {
            NextBoot::Job(Box::new(Job {
                leaves: false,
                mark: None,
                job: job(n, 1, number),
                name: name("m"),
                boot_order: BootOrder::default(),
                kind,
            }))
        });
        let order = Order {
            action: Action::Boot(next),
            ..boot_order(self.life, n, 1, number)
        };
        let orders = [Intended {
            order,
            leave: Leave::Unneeded,
        }];
        let issue = Issue {
            plan: "p-1",
            permits_epoch: 0,
            decided: Timestamp::from_unix_ms(i64::MAX),
            restraints_epoch: 0,
            orders: &orders,
            goes: None,
            beyond: None,
            who: "musterd",
        };
        let issued = self.bed.issue(&issue).await.unwrap();
        assert!(matches!(issued, Issuance::Written { .. }));
        self.bed
            .sql(&format!(
                "UPDATE order_issued SET at_ms = now_ms() - {ago} * 1000 WHERE machine = '{}' AND number = {number}",
                machine(n)
            ))
            .await;
    }

    /// So many seconds ago, this was heard.
    async fn heard(&mut self, ago: i64, fact: FactBody) {
        self.sequence += 1;
        let spool = sync("r1", vec![(self.sequence, fact)]);
        self.bed.append_facts(&spool).await.unwrap();
        self.bed
            .sql(&format!(
                "UPDATE fact SET received_ms = now_ms() - {ago} * 1000 WHERE sequence = {}",
                self.sequence
            ))
            .await;
    }

    async fn installed(&mut self, ago: i64, n: u8) {
        let fact = FactBody::Installed {
            job: job(n, 1, 1),
            binding: binding_id(9),
            spec: Digest([0; 32]),
            disks: Vec::new(),
        };
        self.heard(ago, fact).await;
    }

    async fn home(&mut self, ago: i64, n: u8, binding: u8) {
        let fact = FactBody::PhonedHome {
            machine: machine(n),
            binding: binding_id(binding),
            boot_id: uuid(u8::try_from(self.sequence).unwrap()),
            root_disk: None,
            root_device: "from a hostile peer \0".to_owned(),
        };
        self.heard(ago, fact).await;
    }

    fn deploy(&self, image: &str) -> Option<JobKind> {
        Some(JobKind::Deploy(Box::new(deploy(self.life, image, None))))
    }

    /// What is on record: machine, image, and seconds to the nearest ten, since statements take a moment.
    async fn all(&self) -> Vec<(u8, String, u64)> {
        let all = self.bed.installations().await.unwrap();
        let told = all.into_iter().map(|one| {
            let Installation {
                machine: id,
                image,
                seconds,
            } = one;
            let n = (1..=3).find(|n| machine(*n) == id).unwrap();
            (n, image.to_string(), (seconds + 5) / 10 * 10)
        });
        told.collect()
    }
}

#[tokio::test]
async fn it_counts_from_the_order_of_the_job_to_the_first_word() {
    let mut fleet = Fleet::new().await;
    // The second try is the one that did it; what was ordered after it is the boot from disk.
    fleet.ordered(5000, 1, 1, fleet.deploy("a")).await;
    fleet.ordered(2000, 1, 2, fleet.deploy("b")).await;
    fleet.home(1900, 1, 9).await;
    fleet.installed(1500, 1).await;
    fleet.ordered(1490, 1, 3, None).await;
    assert_eq!(fleet.all().await, [], "nobody heard of it yet");
    fleet.home(1000, 1, 9).await;
    fleet.home(100, 1, 9).await;
    assert_eq!(fleet.all().await, [(1, "b".to_owned(), 1000)]);

    // Newest first.
    fleet.ordered(900, 2, 1, fleet.deploy("a")).await;
    fleet.installed(600, 2).await;
    fleet.home(300, 2, 9).await;
    let both = [(2, "a".to_owned(), 600), (1, "b".to_owned(), 1000)];
    assert_eq!(fleet.all().await, both);

    // After three months nobody asks any more.
    let back = "90::bigint * 86400000 - 1000000";
    let later = format!(
        "UPDATE fact SET received_ms = received_ms - ({back}); UPDATE order_issued SET at_ms = at_ms - ({back})"
    );
    fleet.bed.sql(&later).await;
    assert_eq!(fleet.all().await, both[..1]);
}

#[tokio::test]
async fn what_nobody_can_measure_is_left_out() {
    let mut fleet = Fleet::new().await;
    // No order is on record; another system phones home; what came first was an inspection.
    fleet.installed(600, 1).await;
    fleet.home(300, 1, 9).await;
    fleet.ordered(900, 2, 1, fleet.deploy("a")).await;
    fleet.installed(600, 2).await;
    fleet.home(300, 2, 8).await;
    fleet.ordered(900, 3, 1, Some(JobKind::Inspect)).await;
    fleet.installed(600, 3).await;
    fleet.home(300, 3, 9).await;
    assert_eq!(fleet.all().await, []);
    // Said twice: it is one installation.
    fleet.ordered(250, 1, 1, fleet.deploy("a")).await;
    fleet.installed(200, 1).await;
    fleet.installed(190, 1).await;
    fleet.home(50, 1, 9).await;
    assert_eq!(fleet.all().await, [(1, "a".to_owned(), 200)]);
    // User-data of git may hold what Postgres takes no text with.
    let hostile = deploy(fleet.life, "a", Some("\0"));
    fleet
        .ordered(40, 1, 2, Some(JobKind::Deploy(Box::new(hostile))))
        .await;
    fleet.installed(30, 1).await;
    fleet.home(20, 1, 9).await;
    assert_eq!(fleet.all().await, [(1, "a".to_owned(), 200)]);
}
