//! TFTP and HTTP with clients that are not ours: tftp-hpa, atftp and curl.

use crate::{
    boot::{IPXE, rack_with_job},
    rack::{Rack, SERVER, loader, mac},
};
use rack_api::rack_path;
use std::{
    fs::{self, File},
    process::{Output, Stdio},
};

/// Long enough for its blocks' numbers to wrap: 65,536 blocks of 512 bytes, and some more.
const HUGE: usize = 65_536 * 512 + 12_345;

/// No two blocks alike: each begins with its number, and is otherwise like the first.
fn huge() -> Vec<u8> {
    let mut bytes = vec![0xa5; HUGE];
    for (number, block) in (0_u32..).zip(bytes.chunks_mut(500)) {
        let number = number.to_le_bytes();
        block[..4].copy_from_slice(&number);
    }
    bytes
}

/// A rack whose clients have an address.
fn rack() -> Rack {
    let rack = rack_with_job(|_| {});
    rack.curl(&["/boot.ipxe"]);
    rack
}

/// The same with a huge loader.
fn rack_with_huge() -> Rack {
    let mut rack = rack();
    fs::write(rack.path("ipxe/undionly.kpxe"), huge()).unwrap();
    rack.stop_agent();
    rack.start_agent();
    rack.await_true("the agent answers again", |rack| {
        rack.curl(&["/boot.ipxe"]).status.success()
    });
    rack.await_tftp();
    rack
}

impl Rack {
    /// Waits until the agent that was started last has its TFTP socket.
    pub(crate) fn await_tftp(&self) {
        self.await_true("the agent answers TFTP", |rack| {
            rack.log()[rack.log_before..].contains("answering TFTP")
        });
    }

    fn got(&self) -> Vec<u8> {
        fs::read(self.path("got")).unwrap()
    }

    fn atftp(&self, file: &str, options: &[&str]) -> Output {
        let mut words: Vec<&str> = options.iter().flat_map(|option| ["--option", option]).collect();
        words.extend(["--verbose", "--get", "-r", file, "-l", "got", SERVER]);
        self.client("atftp", &words)
    }
}

#[test]
fn tftp_clients_with_and_without_options_get_the_same_bytes() {
    let rack = rack();
    let words = ["-m", "binary", SERVER, "-c", "get", "snponly.efi", "got"];
    let done = rack.client("tftp", &words);
    assert_eq!(rack.got(), loader(), "tftp-hpa: {done:?}");

    for options in [
        &["blksize 1428"][..],
        &["blksize 8192", "tsize 0"],
        &["blksize 1428", "tsize 0", "timeout 3"],
        &["blksize 1428", "timeout 255"],
        &["blksize 512", "windowsize 7"],
        &["blksize 1468", "windowsize 64"],
        // More than we send at once: we answer with less.
        &["blksize 1468", "windowsize 500"],
    ] {
        fs::write(rack.path("got"), b"nothing").unwrap();
        let done = rack.atftp("snponly.efi", options);
        assert!(done.status.success(), "{options:?}: {done:?}");
        assert_eq!(rack.got(), loader(), "atftp {options:?}: {done:?}");
    }

    for options in [&[][..], &["--tftp-blksize", "1468"], &["--tftp-no-options"]] {
        let mut words = vec!["-sS", "-o", "got", "tftp://10.77.0.1/snponly.efi"];
        words.extend(options);
        let done = rack.client("curl", &words);
        assert!(done.status.success(), "curl {options:?}: {done:?}");
        assert_eq!(rack.got(), loader(), "curl {options:?}");
    }
}

#[test]
fn blocks_are_counted_past_the_end_of_their_numbers() {
    let rack = rack_with_huge();
    // The number's end is a window's end, and lies within a window.
    for options in [
        &["blksize 512", "windowsize 64"],
        &["blksize 512", "windowsize 60"],
    ] {
        let done = rack.atftp("undionly.kpxe", options);
        assert!(done.status.success(), "{options:?}: {done:?}");
        assert!(rack.got() == huge(), "{options:?}: other bytes arrived");
    }
}

#[test]
fn what_is_not_served_is_not_found_and_nothing_is_written() {
    let rack = rack();
    let hpa = |words: &[&str]| {
        let mut all = vec!["-v", SERVER, "-c"];
        all.extend(words);
        let done = rack.client("tftp", &all);
        format!(
            "{}{}",
            String::from_utf8_lossy(&done.stdout),
            String::from_utf8_lossy(&done.stderr)
        )
    };
    for name in ["nothing.efi", "../agent.key", "/etc/passwd", "ipxe/snponly.efi"] {
        let said = hpa(&["get", name, "got"]);
        assert!(said.contains("Error code 1: no such file"), "{name}: {said}");
    }
    fs::write(rack.path("mine"), b"mine").unwrap();
    let said = hpa(&["put", "mine", "snponly.efi"]);
    assert!(said.contains("Error code 2: this server is read-only"), "{said}");
    let missing = rack.client("curl", &["-sS", "tftp://10.77.0.1/nothing.efi"]);
    // curl's code for "file not found on TFTP server".
    assert_eq!(missing.status.code(), Some(68), "{missing:?}");
    assert!(rack.atftp("snponly.efi", &[]).status.success());
    assert_eq!(rack.got(), loader());
}

/// What curl gets by TFTP; nothing where the answer is that there is no such file.
fn by_tftp(rack: &Rack, file: &str) -> Option<Vec<u8>> {
    let done = rack.client("curl", &["-sS", &format!("tftp://{SERVER}/{file}")]);
    match done.status.code() {
        Some(0) => Some(done.stdout),
        Some(68) => None,
        _ => panic!("{file}: {done:?}"),
    }
}

#[test]
fn what_signed_grub_reads_is_for_machines_with_an_address() {
    let rack = rack_with_job(|_| {});
    rack.set_mac(mac(1));
    assert_eq!(rack.dhcp("nic0", &IPXE).unwrap().to_string(), "10.77.0.17");
    let put = |address: &str| {
        // The one from which it asks.
        for words in [&["flush"][..], &["add", address]] {
            let done = rack.client("ip", &[&["addr"], words, &["dev", "nic0"]].concat());
            assert!(done.status.success(), "{done:?}");
        }
    };
    put("10.77.0.17/24");
    let script = by_tftp(&rack, "grub/grub.cfg").expect("its script");
    let script = String::from_utf8(script).unwrap();
    assert!(script.contains("inspect (generation 1, attempt 1)"), "{script}");
    // As GRUB asks for them: what `linux` and `initrd` name, without the slash in front.
    let named: Vec<&str> = script
        .split_whitespace()
        .filter_map(|word| word.trim_end_matches(';').strip_prefix('/'))
        .filter(|path| path.starts_with("artefact/") || *path == "agent.cpio")
        .collect();
    let got: Vec<Vec<u8>> = named
        .iter()
        .map(|path| by_tftp(&rack, path).unwrap_or_else(|| panic!("{path} is not there")))
        .collect();
    let [kernel, agent, initrd] = &got[..] else {
        panic!("{named:?} in\n{script}");
    };
    assert_eq!((&kernel[..], &initrd[..]), (&b"kernel"[..], &b"initrd"[..]));
    assert!(agent.starts_with(b"070701"), "no archive");

    // What is kept for deployments is not read by a loader.
    let other = rack.daemon.keep(b"other");
    assert_eq!(by_tftp(&rack, &format!("artefact/{}", other.hex())), None);
    assert_eq!(by_tftp(&rack, "artefact/0"), None);

    // Nobody has leased this address.
    put("10.77.0.99/24");
    for path in named.into_iter().chain(["grub/grub.cfg"]) {
        assert_eq!(by_tftp(&rack, path), None, "{path}");
    }
    assert_eq!(by_tftp(&rack, "snponly.efi").unwrap(), loader());
}

#[test]
fn a_client_that_goes_away_frees_its_transfer() {
    let rack = rack_with_huge();
    // As many as one client may have at once, each killed in the middle; then another still gets its own.
    for number in 1..=4 {
        let mut client = rack
            .client_command("atftp", &["--get", "-r", "undionly.kpxe", "-l", "part", SERVER])
            .stdin(Stdio::null())
            .stderr(File::create(rack.path("words")).unwrap())
            .spawn()
            .unwrap();
        rack.await_true("some of it is here", |rack| {
            fs::metadata(rack.path("part")).is_ok_and(|file| file.len() > 100_000)
        });
        client.kill().unwrap();
        client.wait().unwrap();
        rack.await_true("the transfer is given up", |rack| {
            rack.log().matches("TFTP transfer ended").count() == number
        });
        fs::remove_file(rack.path("part")).unwrap();
    }
    let done = rack.atftp("snponly.efi", &["blksize 1468", "windowsize 16"]);
    assert!(done.status.success(), "{done:?}");
    assert_eq!(rack.got(), loader());
}

/// What curl says of status and length, with the body's length that it got.
fn asked(rack: &Rack, path: &str, options: &[&str]) -> (String, Vec<u8>) {
    let words = "%{http_code} %{size_download} %header{content-range}";
    let mut all = vec![path, "-w", words, "-o", "got"];
    all.extend(options);
    // An old file must not be taken for an answer.
    fs::write(rack.path("got"), b"").unwrap();
    let done = rack.curl(&all);
    let said = String::from_utf8_lossy(&done.stdout).trim_end().to_owned();
    (said, rack.got())
}

#[test]
fn artefacts_come_in_ranges() {
    let contents = huge();
    let rack = rack_with_job(|_| {});
    let digest = rack.daemon.keep(&contents);
    let mut wanted = crate::rack::with_job(
        crate::rack::desired(rack_api::config::Enlist::Known, crate::dhcp::RANGE),
        &rack.daemon,
    );
    wanted.config.artefacts.insert(digest);
    rack.daemon.want(wanted);
    let path = format!("{}{}", rack_path::ARTEFACT, digest.hex());
    rack.await_true("the artefact is served", |rack| {
        asked(rack, &path, &[]).0.starts_with("200")
    });
    let whole = contents.len();
    let (said, got) = asked(&rack, &path, &[]);
    assert_eq!(said, format!("200 {whole}"));
    assert!(got == contents, "other bytes arrived");

    for (range, from, to) in [
        ("0-0", 0, 1),
        ("1000-1999", 1000, 2000),
        ("1048575-5000000", 1_048_575, 5_000_001),
        ("33500000-", 33_500_000, whole),
        ("33500000-99999999", 33_500_000, whole),
        ("-100", whole - 100, whole),
    ] {
        let (said, got) = asked(&rack, &path, &["-r", range]);
        let length = to - from;
        let shown = to - 1;
        assert_eq!(
            said,
            format!("206 {length} bytes {from}-{shown}/{whole}"),
            "{range}"
        );
        assert!(got == contents[from..to], "{range}: other bytes arrived");
    }
    // What we answer ourselves and what hyper answers, for a condition that says nothing, is the same.
    for range in ["0-0", "33500000-", "1048575-5000000"] {
        let plain = asked(&rack, &path, &["-r", range]);
        let judged = asked(&rack, &path, &["-r", range, "-H", "if-match: *"]);
        assert!(plain == judged, "{range}: {} and {}", plain.0, judged.0);
    }
    let (said, _) = asked(&rack, &path, &["-r", "99999999-"]);
    assert!(said.starts_with("416 "), "{said}");
    // A unit that is not bytes is as if it were not there (RFC 9110 §14.2).
    let (said, _) = asked(&rack, &path, &["-H", "range: lines=1-2"]);
    assert!(
        said.starts_with("416 ") || said == format!("200 {whole}"),
        "{said}"
    );

    // What a download lacks, on the connection of another request.
    fs::write(rack.path("got"), &contents[..20_000_000]).unwrap();
    let done = rack.curl(&[&path, "-C", "-", "-o", "got"]);
    assert!(done.status.success(), "{done:?}");
    assert!(rack.got() == contents, "other bytes arrived");
    let url = format!("http://{SERVER}:8080{path}");
    let two = rack.client(
        "curl",
        &["-sS", "-r", "0-9", &url, "--next", "-sS", "-r", "10-19", &url],
    );
    assert_eq!(two.stdout, contents[..20], "{two:?}");

    let head = rack.client("curl", &["-sSI", &url]);
    let head = String::from_utf8_lossy(&head.stdout).to_ascii_lowercase();
    assert!(
        head.starts_with("http/1.1 200 ok") && head.contains(&format!("content-length: {whole}\r\n")),
        "{head}"
    );
}
