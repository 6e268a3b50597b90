//! DHCP with clients that are not ours: dhclient, dhcpcd, nmap.
//!
//! Each runs as on a machine of its own, by the words that their manuals give, and is believed by what it
//! wrote down or set up, not by our log.

use crate::{
    dhcp::RANGE,
    rack::{Rack, desired, mac},
};
use rack_api::config::Enlist;
use std::{
    fs::{self, File},
    process::Stdio,
};

impl Rack {
    /// Runs a client that may leave children behind: they hold its output open, so that goes to a file.
    fn stubborn_client(&self, program: &str, arguments: &[&str]) -> (bool, String) {
        let mut words = vec!["--kill-after=2", "20", program];
        words.extend(arguments);
        let words_path = self.path("words");
        let file = File::create(&words_path).unwrap();
        let status = self
            .client_command("timeout", &words)
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .status()
            .unwrap();
        let said = String::from_utf8_lossy(&fs::read(words_path).unwrap()).into_owned();
        (status.success(), said)
    }

    /// dhclient's one lease; it stays in the background to renew it, and is ended without a word to us.
    fn dhclient(&self, more: &[&str]) -> (bool, String) {
        // It wants the file to be there.
        let _kept = File::options()
            .create(true)
            .append(true)
            .open(self.path("dhclient.leases"))
            .unwrap();
        let mut words = vec![
            "-v",
            "-sf",
            "/bin/true",
            "-pf",
            "dhclient.pid",
            "-lf",
            "dhclient.leases",
        ];
        words.extend(more);
        words.push("nic0");
        let done = self.stubborn_client("dhclient", &words);
        if let Ok(pid) = fs::read_to_string(self.path("dhclient.pid")) {
            // An error means that it has ended already, as after a release.
            let _ended = self.client("kill", &["-KILL", pid.trim()]);
        }
        done
    }

    /// The lines about an option in dhclient's file of leases, oldest first.
    fn dhclient_kept(&self, name: &str) -> Vec<String> {
        let kept = fs::read_to_string(self.path("dhclient.leases")).unwrap();
        let lines = kept.lines().filter_map(|line| line.trim().strip_prefix(name));
        lines
            .map(|value| value.trim().trim_end_matches(';').to_owned())
            .collect()
    }
}

#[test]
fn dhclient_gets_a_reservation_with_its_options() {
    let rack = Rack::start(desired(Enlist::Off, RANGE));
    rack.set_mac(mac(1));
    let (succeeded, said) = rack.dhclient(&["-1"]);
    assert!(succeeded && said.contains("bound to 10.77.0.17"), "{said}");
    for (option, value) in [
        ("fixed-address", "10.77.0.17"),
        ("option subnet-mask", "255.255.255.0"),
        ("option routers", "10.77.0.1"),
        ("option dhcp-lease-time", "600"),
        ("option dhcp-renewal-time", "300"),
        ("option dhcp-server-identifier", "10.77.0.1"),
        ("option host-name", "\"node-01\""),
    ] {
        assert_eq!(rack.dhclient_kept(option), [value], "{option}");
    }
}

#[test]
fn dhclient_gives_its_address_back_and_asks_for_it_again() {
    let rack = Rack::start(desired(Enlist::Known, RANGE));
    rack.set_mac(mac(21));
    let (succeeded, said) = rack.dhclient(&["-1"]);
    assert!(succeeded, "{said}");
    let first = rack.dhclient_kept("fixed-address").pop().unwrap();

    // It remembers, and asks for the same one without discovering.
    let (succeeded, said) = rack.dhclient(&["-1"]);
    assert!(succeeded && !said.contains("DHCPDISCOVER"), "{said}");
    assert_eq!(rack.dhclient_kept("fixed-address").pop().unwrap(), first);

    let remembered = fs::read(rack.path("dhclient.leases")).unwrap();

    // What it gave back is another's for the asking. The release is by unicast, and asks for no answer.
    rack.client("ip", &["addr", "add", &format!("{first}/24"), "dev", "nic0"]);
    let (succeeded, said) = rack.dhclient(&["-r"]);
    assert!(succeeded && said.contains("DHCPRELEASE"), "{said}");
    rack.client("ip", &["addr", "flush", "dev", "nic0"]);
    rack.await_true("the release is on disk", |rack| {
        let journal = fs::read_to_string(rack.path("state/leases.jsonl")).unwrap();
        journal.lines().last().is_some_and(|line| line.contains("free"))
    });
    rack.set_mac(mac(22));
    let other = rack.dhcp("nic0", &["-r", &first]).expect("a lease");
    assert_eq!(other.to_string(), first);

    // With the memory that it had before, the first one asks for it: refused, it takes another.
    fs::write(rack.path("dhclient.leases"), remembered).unwrap();
    rack.set_mac(mac(21));
    let (succeeded, said) = rack.dhclient(&["-1"]);
    assert!(succeeded && said.contains("DHCPNAK"), "{said}");
    assert_ne!(rack.dhclient_kept("fixed-address").pop().unwrap(), first);
}

/// dhcpcd names itself by a DUID, not by its MAC, and sets the interface up itself.
#[test]
fn dhcpcd_sets_the_address_of_its_mac_up() {
    let rack = Rack::start(desired(Enlist::Known, RANGE));
    rack.set_mac(mac(23));
    let by_mac = rack.dhcp("nic0", &[]).expect("a lease");
    // With directories of its own in place of the host's: `ip netns exec` gives it its own mounts.
    let script = "mkdir -p /var/lib/dhcpcd /run/dhcpcd \
        && mount -t tmpfs none /var/lib/dhcpcd && mount -t tmpfs none /run/dhcpcd \
        && exec dhcpcd --nobackground --oneshot --ipv4only --timeout 8 --noarp --duid --script /bin/true nic0";
    let (succeeded, said) = rack.stubborn_client("sh", &["-c", script]);
    assert!(succeeded, "{said}");
    assert!(
        said.contains(&format!("leased {by_mac} for 600 seconds")),
        "{said}"
    );
    let shown = rack
        .client("ip", &["-4", "-o", "addr", "show", "dev", "nic0"])
        .stdout;
    let shown = String::from_utf8_lossy(&shown).into_owned();
    assert!(
        shown.contains(&format!("inet {by_mac}/24 brd 10.77.0.255")),
        "{shown}"
    );
}

/// A stranger that looks for servers is shown an offer where unknown machines get addresses, and is not
/// heard where they do not.
#[test]
fn nmap_is_offered_an_address_where_strangers_are() {
    let rack = Rack::start(desired(Enlist::Known, RANGE));
    rack.client("ip", &["addr", "replace", "10.77.0.250/24", "dev", "nic0"]);
    let look = || {
        let words = [
            "--script",
            "broadcast-dhcp-discover",
            "--script-args",
            "broadcast-dhcp-discover.timeout=2",
            "-e",
            "nic0",
        ];
        rack.stubborn_client("nmap", &words)
    };
    let (succeeded, said) = look();
    assert!(succeeded, "{said}");
    for line in [
        "DHCP Message Type: DHCPOFFER",
        "Server Identifier: 10.77.0.1",
        "Subnet Mask: 255.255.255.0",
        "IP Offered: 10.77.0.10",
    ] {
        assert!(said.contains(line), "no {line:?} in\n{said}");
    }
    rack.daemon.want(desired(Enlist::Off, RANGE));
    rack.await_true("strangers get nothing", |rack| {
        rack.log().matches("new word of the daemon").count() >= 2
    });
    let (succeeded, said) = look();
    assert!(succeeded && !said.contains("IP Offered"), "{said}");
}
