//! What both ways of delivering need: addresses, certificates, passwords.

use std::{
    net::{IpAddr, SocketAddr, ToSocketAddrs as _},
    path::Path,
    time::Duration,
};

use anyhow::{Context as _, Result, anyhow};
use rustls::pki_types::CertificateDer;

use crate::kernel::{files, program};

/// For a connection, and for each answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// The first line of a file that only root reads.
pub(super) fn secret(path: &str) -> Result<String> {
    let bytes =
        files::read_plain(Path::new(path), 4096)?.with_context(|| format!("{path} does not exist"))?;
    let secret = String::from_utf8_lossy(&bytes).lines().next().unwrap_or_default().trim().to_owned();
    if secret.is_empty() { Err(anyhow!("{path} is empty")) } else { Ok(secret) }
}

/// The certificates that this machine trusts, as its administrator set it up: SSL_CERT_FILE, SSL_CERT_DIR or the
/// distribution's file.
pub(super) fn authorities() -> Result<Vec<CertificateDer<'static>>> {
    // One provider for both libraries; a second call does nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let found = rustls_native_certs::load_native_certs();
    let why = found.errors.first().map_or_else(String::new, |error| format!(": {error}"));
    let found = found.certs;
    let none = || anyhow!("no certificates to trust, from SSL_CERT_FILE or the package ca-certificates{why}");
    if found.is_empty() { Err(none()) } else { Ok(found) }
}

/// The addresses of a host. The system's own program finds them: a static program cannot load the libraries that nsswitch.conf
/// names, and crashes where it tries.
pub(super) fn addresses(host: &str, port: u16) -> Result<Vec<SocketAddr>> {
    let literal = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = literal.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let unknown = || format!("the name {host} is not known");
    if !program::is_there("getent") {
        return Ok((host, port).to_socket_addrs().with_context(unknown)?.collect());
    }
    let ended = program::run_for("getent", &["ahosts", host], PATIENCE)?;
    let found = addresses_in(&ended.said).into_iter().map(|address| SocketAddr::new(address, port));
    Some(found.collect::<Vec<_>>()).filter(|found| !found.is_empty()).with_context(unknown)
}

/// Each once, in the order in which they are to be tried.
fn addresses_in(said: &str) -> Vec<IpAddr> {
    let mut found = Vec::new();
    for address in said.lines().filter_map(|line| line.split_whitespace().next()?.parse().ok()) {
        if !found.contains(&address) {
            found.push(address);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_as_the_system_says_them() {
        let said = "::1             STREAM localhost\n::1             DGRAM\n127.0.0.1       STREAM\nfe80::1%eth0 RAW\n";
        assert_eq!(
            addresses_in(said).iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["::1", "127.0.0.1"]
        );
        assert_eq!(addresses("[::1]", 25).unwrap(), ["[::1]:25".parse().unwrap()]);
    }
}
