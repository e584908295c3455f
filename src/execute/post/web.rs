//! Delivering to web addresses.

use std::io;

use anyhow::{Result, anyhow};
use ureq::{
    Agent,
    config::Config,
    http::Uri,
    tls::{Certificate, RootCerts, TlsConfig},
    unversioned::{
        resolver::{ResolvedSocketAddrs, Resolver},
        transport::{DefaultConnector, NextTimeout},
    },
};

use super::net::{PATIENCE, addresses, authorities, secret};
use crate::{config::alerts::WebHook, model::monitor::Letter};

/// Finds hosts for the library.
#[derive(Debug)]
struct OfSystem;

impl Resolver for OfSystem {
    fn resolve(&self, uri: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let usual = if uri.scheme_str() == Some("https") { 443 } else { 80 };
        let found = addresses(uri.host().unwrap_or_default(), uri.port_u16().unwrap_or(usual));
        let found = found.map_err(|error| ureq::Error::Io(io::Error::other(format!("{error:#}"))))?;
        let mut resolved = self.empty();
        // It has no room for more.
        found.into_iter().take(16).for_each(|address| resolved.push(address));
        Ok(resolved)
    }
}

/// Delivers.
pub(super) fn send(hook: &WebHook, letter: &Letter) -> Result<()> {
    // A post that is sent elsewhere is fetched there and not delivered: that is not followed.
    let mut config = Agent::config_builder().timeout_global(Some(PATIENCE)).max_redirects(0);
    if hook.url.starts_with("https:") {
        let found = authorities()?;
        let found: RootCerts = found.iter().map(|found| Certificate::from_der(found).to_owned()).into();
        config = config.tls_config(TlsConfig::builder().root_certs(found).build());
    }
    let agent = Agent::with_parts(config.build(), DefaultConnector::new(), OfSystem);
    let request = agent.post(&hook.url).header("Content-Type", "application/json");
    let mut request = request.header("User-Agent", "mdctl").header("Idempotency-Key", &letter.id);
    if let Some(path) = &hook.token_file {
        request = request.header("Authorization", &format!("Bearer {}", secret(path)?));
    }
    let status = request.send(&letter.text)?.status();
    if status.is_success() { Ok(()) } else { Err(anyhow!("http status: {}", status.as_u16())) }
}
