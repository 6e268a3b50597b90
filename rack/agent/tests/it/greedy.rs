//! Clients that take more than their share, or never end what they began.

use crate::{
    dhcp::RANGE,
    rack::{Rack, SERVER, desired},
};
use rack_api::{config::Enlist, rack_path};
use rustix::process::{Resource, Rlimit, getrlimit, prlimit};
use socket2::{Domain, Socket, Type};
use std::{
    fs,
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket},
    time::Duration,
};

/// What the agent lets one client have.
const SHARE: usize = 32;
/// Longer than anything here may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// A request that is answered at once.
const ASK: &[u8] = b"GET /boot.ipxe HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

/// Gives the clients' interface one more address.
fn add_address(rack: &Rack, last: u8) -> Ipv4Addr {
    let address = Ipv4Addr::new(10, 77, 0, last);
    rack.client(
        "ip",
        &["addr", "replace", &format!("{address}/24"), "dev", "nic0"],
    );
    address
}

/// A connection from an address.
fn connect(rack: &Rack, from: Ipv4Addr) -> TcpStream {
    let connected = rack.open(|| -> io::Result<TcpStream> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&SocketAddr::from((from, 0)).into())?;
        let server: SocketAddr = format!("{SERVER}:8080").parse().unwrap();
        socket.connect_timeout(&server.into(), PATIENCE)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        Ok(socket.into())
    });
    connected.unwrap()
}

/// What a connection says to its end.
fn rest(stream: &mut TcpStream) -> io::Result<String> {
    let mut said = String::new();
    match stream.read_to_string(&mut said) {
        // With something of ours still unread, the agent's end of it is a reset.
        Err(error) if error.kind() != io::ErrorKind::ConnectionReset => Err(error),
        _ => Ok(said),
    }
}

#[test]
fn a_body_that_never_comes_whole_ends_its_connection() {
    let rack = Rack::start(desired(Enlist::Known, RANGE));
    let from = add_address(&rack, 200);
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n",
        rack_path::HELLO
    );
    let mut silent = connect(&rack, from);
    silent.write_all(head.as_bytes()).unwrap();
    let mut slow = connect(&rack, from);
    slow.write_all(head.as_bytes()).unwrap();
    let mut drops = slow.try_clone().unwrap();
    let dripping = std::thread::spawn(move || {
        let mut count = 0;
        // A thousand are never reached: the agent ends it, or the reader below its patience.
        while count < 600 && drops.write_all(b" ").is_ok() {
            count += 1;
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    for stream in [&mut silent, &mut slow] {
        let said = rest(stream).expect("the agent ends it");
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 408 "), "{said}");
    }
    slow.shutdown(std::net::Shutdown::Both).ok();
    dripping.join().unwrap();
}

#[test]
fn a_client_has_its_share_of_connections_and_others_theirs() {
    let rack = Rack::start(desired(Enlist::Known, RANGE));
    let (greedy, modest) = (add_address(&rack, 200), add_address(&rack, 201));
    let mut held: Vec<TcpStream> = (0..SHARE + 8).map(|_| connect(&rack, greedy)).collect();
    rack.await_true("the rest is turned away", |rack| {
        rack.log().matches("too many HTTP connections").count() == 8
    });
    let ask = |stream: &mut TcpStream| {
        stream.write_all(ASK).is_ok() && rest(stream).is_ok_and(|said| said.starts_with("HTTP/1.1 200 "))
    };
    assert!(ask(&mut connect(&rack, modest)), "another has a place");
    assert!(
        held.iter_mut().take(SHARE).all(ask),
        "those that it has are served"
    );
    assert!(!held.iter_mut().skip(SHARE).any(ask), "no more than those");
    drop(held);
    rack.await_true("its places are free again", |rack| {
        ask(&mut connect(rack, greedy))
    });
}

#[test]
fn out_of_descriptors_the_agent_goes_on_listening() {
    let rack = Rack::start(desired(Enlist::Known, RANGE));
    let image = vec![7; 64 << 20];
    let mut wanted = desired(Enlist::Known, RANGE);
    let digest = rack.daemon.keep(&image);
    wanted.config.artefacts = [digest].into();
    rack.daemon.want(wanted);
    rack.await_log("artefact fetched");
    // Somebody who takes an image as slowly as can be.
    let mut slow = connect(&rack, add_address(&rack, 200));
    let ask = format!(
        "GET {}{} HTTP/1.1\r\nHost: x\r\n\r\n",
        rack_path::ARTEFACT,
        digest.hex()
    );
    slow.write_all(ask.as_bytes()).unwrap();
    slow.read_exact(&mut [0; 1024]).unwrap();

    let pid = rack.agent_pid();
    let open = fs::read_dir(format!("/proc/{}/fd", pid.as_raw_pid()))
        .unwrap()
        .count() as u64;
    let before = getrlimit(Resource::Nofile);
    let limit = |current| Rlimit { current, ..before };
    prlimit(Some(pid), Resource::Nofile, limit(Some(open + 4))).unwrap();
    let crowd = add_address(&rack, 201);
    let crowd: Vec<TcpStream> = (0..16).map(|_| connect(&rack, crowd)).collect();
    rack.await_log("Too many open files");
    drop(crowd);
    prlimit(Some(pid), Resource::Nofile, limit(before.current)).unwrap();
    rack.await_true("others are answered", |rack| {
        rack.curl(&["/boot.ipxe"]).status.success()
    });
    slow.read_exact(&mut [0; 1024]).expect("and it goes on as before");
}

#[test]
fn transfers_of_one_archive_share_it() {
    const ARCHIVE: usize = 64 << 20;
    let mut rack = Rack::start(desired(Enlist::Known, RANGE));
    rack.stop_agent();
    fs::write(rack.path("inmachine"), vec![7; ARCHIVE]).unwrap();
    rack.start_agent();
    rack.await_tftp();
    // The archive is for machines that are known: this address is reserved for one.
    let machine = add_address(&rack, 17);
    let memory = |rack: &Rack| {
        let status = fs::read_to_string(format!("/proc/{}/status", rack.agent_pid().as_raw_pid())).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .unwrap();
        line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
    };
    let before = memory(&rack);
    let request = format!("\0\u{1}{}\0octet\0", rack_path::AGENT);
    let transfers: Vec<UdpSocket> = (0..4)
        .map(|_| {
            let socket = rack.open(|| UdpSocket::bind((machine, 0)).unwrap());
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            socket.send_to(request.as_bytes(), (SERVER, 69)).unwrap();
            let mut packet = [0; 600];
            let (length, _) = socket.recv_from(&mut packet).unwrap();
            assert_eq!((length, packet[..4].to_vec()), (516, vec![0, 3, 0, 1]));
            socket
        })
        .collect();
    let grown = memory(&rack).saturating_sub(before);
    assert!(
        grown < ARCHIVE / 2,
        "{} transfers took {grown} bytes",
        transfers.len()
    );
}
