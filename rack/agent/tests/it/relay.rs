//! Links behind a router: ISC's `dhcrelay` between udhcpc and the agent, which stands on neither link.
//!
//! The rack's client namespace is the router; behind it are two links with a machine each.

use crate::dhcp::RANGE;
use crate::rack::{LINK, Namespace, Rack, desired, ip, leased, loader, mac, machine_id, with_job};
use rack_api::{
    config::{AddressRange, Desired, Enlist, Link, Relay, Subnet},
    fact::{BootEvidence, FactBody},
};
use std::{
    fs,
    io::Read,
    net::Ipv4Addr,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// Where `cargo xtask packages` unpacks ISC's relay: the package is not installed, so that no service starts.
const DHCRELAY: &str = "/var/cache/muster/unpacked/isc-dhcp-relay/usr/sbin/dhcrelay";
/// The router on the agent's link.
const ROUTER: &str = "10.77.0.254";
/// Class and user class of an iPXE ROM.
const IPXE: [&str; 4] = ["-V", "PXEClient:Arch:00000:UNDI:002001", "-x", "0x4d:69505845"];
/// A DHCP exchange takes a second; a loaded machine gets much more.
const PATIENCE: Duration = Duration::from_secs(60);

/// What udhcpc runs: gives the interface its address and the way out.
const CONFIGURE: &str = "#!/bin/sh\ncase $1 in\nbound|renew)\n  ip addr replace $ip/$mask dev $interface\n  \
                         ip route replace default via $router\n  ;;\nesac\n";

/// A rack with two links behind a router.
struct Far {
    links: [Namespace; 2],
    relay: Option<Child>,
    // Last, so that its namespaces go after those above.
    rack: Rack,
}

impl Drop for Far {
    fn drop(&mut self) {
        self.stop_relay();
        if std::thread::panicking() {
            let log = fs::read_to_string(self.rack.path("dhcrelay.log")).unwrap_or_default();
            eprintln!("──── dhcrelay.log\n{log}");
        }
    }
}

impl Far {
    fn start(relays: [&[&str]; 2]) -> Self {
        let rack = Rack::start(desired(Enlist::Known, RANGE));
        // The router.
        let router = |arguments: &[&str]| {
            let done = rack.client("ip", arguments);
            assert!(done.status.success(), "{arguments:?}: {done:?}");
        };
        router(&["addr", "flush", "dev", "nic0"]);
        router(&["addr", "add", "10.77.0.254/24", "dev", "nic0"]);
        let forward = "echo 1 > /proc/sys/net/ipv4/ip_forward";
        assert!(rack.client("sh", &["-c", forward]).status.success());
        let links = [8_u8, 9].map(|place| {
            let namespace = rack.namespace(&format!("far{place}"));
            let port = format!("port{place}");
            router(&[
                "link",
                "add",
                &port,
                "type",
                "veth",
                "peer",
                "name",
                "nic0",
                "netns",
                &namespace.0,
            ]);
            router(&["addr", "add", &format!("10.7{place}.0.254/24"), "dev", &port]);
            router(&["link", "set", &port, "up"]);
            let address = mac(place).to_string();
            ip(&["-n", &namespace.0, "link", "set", "nic0", "address", &address]);
            ip(&["-n", &namespace.0, "link", "set", "nic0", "up"]);
            namespace
        });
        for network in ["10.78.0.0/24", "10.79.0.0/24"] {
            let routed = rack
                .server_command("ip", &["route", "add", network, "via", ROUTER])
                .status();
            assert!(routed.is_ok_and(|status| status.success()));
        }
        fs::write(rack.path("configure"), CONFIGURE).unwrap();
        fs::set_permissions(rack.path("configure"), fs::Permissions::from_mode(0o755)).unwrap();
        let mut wanted = with_job(desired(Enlist::Known, RANGE), &rack.daemon);
        describe(&mut wanted, relays);
        rack.daemon.state.lock().unwrap().boot_go = true;
        rack.daemon.want(wanted);
        rack.await_fact("the boot order is in force", |fact| match fact {
            FactBody::OrderTaken { order } => Some(*order),
            _ => None,
        });
        Self {
            links,
            relay: None,
            rack,
        }
    }

    /// Starts the relay on both links, with these options beside.
    fn start_relay(&mut self, options: &[&str]) {
        assert!(
            Path::new(DHCRELAY).exists(),
            "{DHCRELAY} is missing: run `cargo xtask packages`"
        );
        let log = fs::File::create(self.rack.path("dhcrelay.log")).unwrap();
        let mut words = vec![
            "-4", "-d", "-a", "--no-pid", "-iu", "nic0", "-id", "port8", "-id", "port9",
        ];
        words.extend(options);
        words.push("10.77.0.1");
        let child = self
            .rack
            .client_command(DHCRELAY, &words)
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("ip starts");
        self.relay = Some(child);
    }

    fn stop_relay(&mut self) {
        if let Some(mut relay) = self.relay.take() {
            relay.kill().unwrap();
            relay.wait().unwrap();
        }
    }

    /// udhcpc on a link as an iPXE ROM, which configures its interface; `-q` ends it after its lease.
    fn client(&self, link: usize, options: &[&str]) -> Command {
        let script = self.rack.path("configure");
        let mut words = vec!["udhcpc", "-f", "-n", "-t", "8", "-T", "2", "-i", "nic0", "-s"];
        words.push(script.to_str().unwrap());
        words.extend(IPXE);
        words.extend(options);
        let mut command = self.links[link].command("busybox", &words);
        command.current_dir(self.rack.path(""));
        command
    }

    fn address(&self, link: usize) -> Option<Ipv4Addr> {
        leased(&self.client(link, &["-q"]).output().unwrap())
    }

    /// curl from a link to the agent.
    fn get(&self, link: usize, path: &str) -> Vec<u8> {
        let url = format!("http://10.77.0.1:8080{path}");
        let output = self.links[link]
            .command("curl", &["-sS", "--max-time", "20", "--fail", "--globoff", &url])
            .output()
            .unwrap();
        assert!(output.status.success(), "{path}: {output:?}");
        output.stdout
    }

    fn boot_of(&self, last: u8, is: impl Fn(&BootEvidence) -> bool) -> BootEvidence {
        self.rack.await_fact("the boot is told", |fact| match fact {
            FactBody::Boot { boot, .. } if boot.mac == mac(last) && is(boot) => Some(boot.clone()),
            _ => None,
        })
    }
}

/// Two links behind relays; the machine that a job is ordered for stands on the first.
fn describe(wanted: &mut Desired, relays: [&[&str]; 2]) {
    for (place, giaddr) in [8, 9].into_iter().zip(relays) {
        let address = |last: u8| Ipv4Addr::new(10, 70 + place, 0, last);
        let link = Link {
            dhcp: true,
            enlist: Enlist::Known,
            subnets: vec![Subnet {
                network: address(0).into(),
                prefix: 24,
                gateway: Some(address(254).into()),
                dns: Vec::new(),
                dynamic: vec![AddressRange {
                    from: address(100).into(),
                    to: address(107).into(),
                }],
                lease_seconds: 600,
            }],
            relay: Some(Relay {
                giaddr: giaddr.iter().map(|relay| relay.parse().unwrap()).collect(),
            }),
        };
        wanted.config.links.insert(format!("lab/far{place}"), link);
    }
    let machine = wanted.config.machines.get_mut(&machine_id()).unwrap();
    machine.nics[0].mac = mac(8);
    machine.nics[0].link = "lab/far8".to_owned();
    machine.nics[0].address = Some(Ipv4Addr::new(10, 78, 0, 17));
    assert!(wanted.config.links.contains_key(LINK));
}

#[test]
fn two_links_behind_a_relay_boot_and_do_not_mix() {
    let mut far = Far::start([&["10.78.0.254"], &["10.79.0.254"]]);
    far.start_relay(&[]);
    // Both at once.
    let clients = [0, 1].map(|link| {
        let mut command = far.client(link, &["-q"]);
        command.stderr(Stdio::piped()).spawn().unwrap()
    });
    let addresses = clients.map(|client| leased(&client.wait_with_output().unwrap()));
    assert_eq!(
        addresses[0],
        Some(Ipv4Addr::new(10, 78, 0, 17)),
        "the reservation"
    );
    let other = addresses[1].expect("a lease of the second link");
    assert_eq!(other.octets()[..3], [10, 79, 0]);

    let path = format!("/boot/{}.ipxe?platform=pcbios&uuid=&serial=", mac(8).hyphenated());
    let script = String::from_utf8(far.get(0, &path)).unwrap();
    for expected in [
        "inspect (generation 1, attempt 1)",
        "muster.ip=10.78.0.17/24",
        "muster.gw=10.78.0.254",
        "muster.server=http://10.77.0.1:8080",
    ] {
        assert!(script.contains(expected), "{expected}\n{script}");
    }
    // A stranger on the other link boots its own disk.
    let path = format!("/boot/{}.ipxe?platform=pcbios&uuid=&serial=", mac(9).hyphenated());
    assert!(
        String::from_utf8(far.get(1, &path))
            .unwrap()
            .contains("local boot")
    );

    let fetched = far.links[0]
        .command(
            "busybox",
            &["tftp", "-g", "-r", "snponly.efi", "-l", "got.efi", "10.77.0.1"],
        )
        .current_dir(far.rack.path(""))
        .output()
        .unwrap();
    assert!(fetched.status.success(), "{fetched:?}");
    assert_eq!(fs::read(far.rack.path("got.efi")).unwrap(), loader());
    let boot = far.boot_of(8, |boot| {
        boot.tftp.as_deref() == Some("snponly.efi: complete") && boot.answer.is_some()
    });
    assert_eq!(
        (boot.link.as_str(), boot.answer.as_deref()),
        ("lab/far8", Some("job"))
    );
    assert_eq!(boot.tftp.as_deref(), Some("snponly.efi: complete"));
    let boot = far.boot_of(9, |boot| boot.answer.is_some());
    assert_eq!(
        (boot.link.as_str(), boot.address),
        ("lab/far9", Some(other.into()))
    );
}

#[test]
fn a_client_behind_a_relay_renews_by_itself() {
    let mut far = Far::start([&["10.78.0.254"], &[]]);
    far.start_relay(&[]);
    let mut client = far.client(1, &[]).stderr(Stdio::piped()).spawn().unwrap();
    let mut words = client.stderr.take().unwrap();
    let mut said = String::new();
    let mut leases = |count: usize| {
        let until = Instant::now() + PATIENCE;
        let mut byte = [0];
        while said.matches("lease of 10.79.0.").count() < count {
            assert!(Instant::now() < until, "{said}");
            assert_eq!(words.read(&mut byte).unwrap(), 1, "udhcpc ended: {said}");
            said.push(char::from(byte[0]));
        }
    };
    leases(1);
    // Without a relay: what comes now, the client sends by itself, from the address that it has.
    far.stop_relay();
    let pid = rustix::process::Pid::from_child(&client);
    rustix::process::kill_process(pid, rustix::process::Signal::USR1).unwrap();
    leases(2);
    client.kill().unwrap();
    client.wait().unwrap();
}

#[test]
fn a_relay_may_name_the_link_instead_of_standing_on_it() {
    // One address for both links: the relay says by option 82 which it is (RFC 3527).
    let mut far = Far::start([&[ROUTER], &[ROUTER]]);
    far.start_relay(&["-U", "nic0"]);
    assert_eq!(far.address(0), Some(Ipv4Addr::new(10, 78, 0, 17)));
    assert_eq!(far.address(1).map(|address| address.octets()[1]), Some(79));
}

#[test]
fn a_relay_that_nobody_named_gets_no_answer() {
    let mut far = Far::start([&["10.78.0.253"], &[]]);
    far.start_relay(&[]);
    // It is heard, since the other link's clients are answered.
    assert!(far.address(1).is_some());
    assert_eq!(
        leased(&far.client(0, &["-q", "-t", "2", "-T", "1"]).output().unwrap()),
        None
    );
    let said = "no file names this relay for the link of its clients";
    assert_eq!(far.rack.log().matches(said).count(), 1, "said once a minute");
}

#[test]
fn a_link_without_a_relay_in_git_answers_nothing_that_is_relayed() {
    let mut far = Far::start([&["10.78.0.254"], &["10.79.0.254"]]);
    let mut wanted = desired(Enlist::Known, RANGE);
    describe(&mut wanted, [&["10.78.0.254"], &[]]);
    wanted.config.links.get_mut("lab/far9").unwrap().relay = None;
    far.rack.daemon.want(wanted);
    far.rack.await_true("the new word is in force", |rack| {
        rack.log().matches("new word of the daemon").count() >= 3
    });
    far.start_relay(&[]);
    // It is heard, since the other link's clients are answered.
    assert!(far.address(0).is_some());
    assert_eq!(
        leased(&far.client(1, &["-q", "-t", "2", "-T", "1"]).output().unwrap()),
        None
    );
}
