//! nginx, serving files from a directory of its own.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::children::{Kept, has};
use crate::fault::{Fault, Outcome, While, failed};
use crate::inputs::write;

/// A running nginx; its workers end with it.
pub(crate) struct Nginx {
    process: Kept,
    dir: tempfile::TempDir,
    /// `127.0.0.1:PORT`.
    pub(crate) address: String,
}

/// As nginx is tuned for static files: all cores, sendfile, open files kept, connections
/// kept, nothing logged.
fn configuration(dir: &Path, address: &str) -> String {
    let user = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
    let dir = dir.display();
    format!(
        "{user}
daemon off;
worker_processes auto;
pid {dir}/pid;
error_log {dir}/error.log;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    tcp_nodelay on;
    etag on;
    open_file_cache max=100 inactive=600s;
    open_file_cache_valid 600s;
    keepalive_timeout 600s;
    keepalive_requests 1000000000;
    types {{ application/json json; }}
    client_body_temp_path {dir}/body;
    proxy_temp_path {dir}/proxy;
    fastcgi_temp_path {dir}/fastcgi;
    uwsgi_temp_path {dir}/uwsgi;
    scgi_temp_path {dir}/scgi;
    server {{ listen {address}; root {dir}/www; }}
}}
"
    )
}

impl Nginx {
    /// Starts it on a free port, with its files in an empty directory.
    pub(crate) fn start(dir: tempfile::TempDir) -> Outcome<Self> {
        if !has("nginx") {
            return Err(Fault::Missing("there is no nginx".to_owned()));
        }
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let address = free.during("there is no free port")?.to_string();
        let file = dir.path().join("nginx.conf");
        write(&file, configuration(dir.path(), &address).as_bytes())?;
        let mut command = Command::new("nginx");
        command.arg("-p").arg(dir.path()).arg("-c").arg(&file);
        command.arg("-e").arg(dir.path().join("error.log")).stdin(Stdio::null());
        let process = Kept::spawn(&mut command).during("cannot start nginx")?;
        let deadline = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(&address).is_err() {
            if Instant::now() > deadline {
                return failed("nginx does not listen");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(Self { process, dir, address })
    }

    /// Serves these bytes; gives the path to ask for.
    pub(crate) fn serve(&self, bytes: &[u8]) -> Outcome<&'static str> {
        write(&self.dir.path().join("www/answer.json"), bytes)?;
        Ok("/answer.json")
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Killing it would leave its workers behind.
        if let Err(fault) = self.process.stop(Duration::from_secs(10)) {
            eprintln!("nginx: {fault}");
        }
    }
}
