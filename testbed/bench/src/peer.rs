//! The peers: Debian's packages, unpacked by `cargo xtask peers` and run from there.

use crate::bed::{Bed, INTERFACE, SERVER};
use crate::error::{Result, failed};
use crate::rackd::{LEASE_SECONDS, RANGE};
use crate::server::Server;
use std::fs;
use std::net::{TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Where they are.
#[derive(Debug, Clone)]
pub(crate) struct Peers(pub(crate) PathBuf);

/// A look at whether a server answers takes no longer.
const LOOK_MAX: Duration = Duration::from_millis(500);

impl Peers {
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.0.join("usr/sbin").join(name)
    }

    /// Lets a program find the libraries that came with it.
    pub(crate) fn with_libraries(&self, mut command: Command) -> Command {
        let at = |part: &str| self.0.join(part).display().to_string();
        let paths = [at("usr/lib/x86_64-linux-gnu"), at("lib/x86_64-linux-gnu")];
        command.env("LD_LIBRARY_PATH", paths.join(":"));
        command
    }

    fn server(&self, bed: &Bed, name: &str) -> Command {
        self.with_libraries(bed.server(&self.program(name)))
    }

    /// Kea as in its own performance tests: memfile leases kept on disk, two threads, no log. It writes
    /// each lease and syncs none.
    pub(crate) fn kea(&self, bed: &Bed) -> Result<Server> {
        let directory = bed.path("kea");
        if directory.exists() {
            fs::remove_dir_all(&directory).map_err(failed("remove Kea's state"))?;
        }
        fs::create_dir_all(&directory).map_err(failed("make Kea's state"))?;
        let config = serde_json::json!({ "Dhcp4": {
            "interfaces-config": {
                "interfaces": [INTERFACE], "dhcp-socket-type": "raw", "re-detect": false,
            },
            "lease-database": {
                "type": "memfile", "persist": true, "lfc-interval": 0,
                "name": directory.join("leases.csv"),
            },
            "multi-threading": {
                "enable-multi-threading": true, "thread-pool-size": 2, "packet-queue-size": 64,
            },
            "valid-lifetime": LEASE_SECONDS,
            "subnet4": [{
                "subnet": "10.99.0.0/16",
                "pools": [{ "pool": format!("{} - {}", RANGE.0, RANGE.1) }],
                "option-data": [{ "name": "routers", "data": SERVER.to_string() }],
            }],
            "loggers": [{
                "name": "kea-dhcp4", "severity": "WARN", "output_options": [{ "output": "stderr" }],
            }],
        }});
        let path = directory.join("kea.json");
        fs::write(&path, config.to_string()).map_err(failed("write Kea's configuration"))?;
        let mut command = self.server(bed, "kea-dhcp4");
        command
            .arg("-c")
            .arg(&path)
            .env("KEA_PIDFILE_DIR", &directory)
            .env("KEA_LOCKFILE_DIR", &directory);
        let mut server = Server::start("Kea 2.2", command, bed.path("kea.log"))?;
        // It makes the file of leases when it has read its configuration.
        server.await_true("it serves", |_| directory.join("leases.csv").exists())?;
        Ok(server)
    }

    /// tftpd-hpa: a process for each transfer.
    pub(crate) fn tftpd_hpa(&self, bed: &Bed, root: &Path) -> Result<Server> {
        let mut command = self.server(bed, "in.tftpd");
        command.args(["-L", "-u", "root", "-a", &format!("{SERVER}:69"), "-s"]);
        command.arg(root);
        answers_tftp(bed, Server::start("tftpd-hpa", command, bed.path("hpa.log"))?)
    }

    /// atftpd: a thread for each transfer.
    pub(crate) fn atftpd(&self, bed: &Bed, root: &Path) -> Result<Server> {
        let mut command = self.server(bed, "atftpd");
        command.args(["--daemon", "--no-fork", "--maxthread", "1000", "--port", "69"]);
        command.args(["--user", "root", "--group", "root", "--verbose=1"]);
        command.args(["--bind-address", &SERVER.to_string()]).arg(root);
        answers_tftp(bed, Server::start("atftpd", command, bed.path("atftpd.log"))?)
    }

    /// nginx with sendfile and as many processes as cores, as its own documents advise for files.
    pub(crate) fn nginx(&self, bed: &Bed, root: &Path, cores: usize) -> Result<Server> {
        let directory = bed.path("nginx");
        fs::create_dir_all(&directory).map_err(failed("make nginx's directory"))?;
        let at = |name: &str| directory.join(name).display().to_string();
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .iter()
            .map(|name| format!("{name}_temp_path {};\n", at(name)))
            .collect();
        let config = format!(
            "daemon off; user root; worker_processes {cores}; pid {}; error_log stderr;\n\
             events {{ worker_connections 1024; }}\n\
             http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000;\n{temporary}\
             server {{ listen {SERVER}:8080; root {}; }} }}\n",
            at("pid"),
            root.display()
        );
        let path = directory.join("nginx.conf");
        fs::write(&path, config).map_err(failed("write nginx's configuration"))?;
        let mut command = self.server(bed, "nginx");
        command
            .arg("-e")
            .arg("stderr")
            .arg("-p")
            .arg(&directory)
            .arg("-c")
            .arg(&path);
        let mut server = Server::start("nginx 1.22", command, bed.path("nginx.log"))?;
        let connects = || TcpStream::connect_timeout(&(SERVER, 8080).into(), LOOK_MAX).is_ok();
        server.await_true("it listens", |_| among_clients(bed, connects))?;
        Ok(server)
    }
}

/// Waits until a TFTP server refuses a file that is not there.
fn answers_tftp(bed: &Bed, mut server: Server) -> Result<Server> {
    let asks = || {
        let Ok(socket) = UdpSocket::bind("0.0.0.0:0") else {
            return false;
        };
        let mut answer = [0; 600];
        socket.set_read_timeout(Some(LOOK_MAX)).is_ok()
            && socket.send_to(b"\0\x01nothing\0octet\0", (SERVER, 69)).is_ok()
            && socket.recv_from(&mut answer).is_ok()
    };
    server.await_true("it answers", |_| among_clients(bed, asks))?;
    Ok(server)
}

/// Looks from the clients' side.
fn among_clients(bed: &Bed, look: impl FnOnce() -> bool + Send) -> bool {
    std::thread::scope(|scope| {
        let looked = scope.spawn(|| bed.enter_client().is_ok() && look());
        looked.join().unwrap_or(false)
    })
}
