//! Delivering letters: by SMTP, and to web addresses. A receiver that does not answer has a bounded time.

use anyhow::{Context as _, Result};

use crate::{
    config::alerts::{SmtpServer, WebHook},
    plan::monitor::{Letter, Mailbox},
};

/// For a connection, and for each answer.
#[cfg(any(feature = "mail", feature = "hook"))]
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(20);

/// Delivers.
pub(super) fn deliver(to: &Mailbox, letter: &Letter) -> Result<()> {
    match to {
        Mailbox::Smtp(server) => by_smtp(server, letter).with_context(|| server.server.clone()),
        Mailbox::Hook(hook) => by_hook(hook, letter).with_context(|| hook.url.clone()),
    }
}

/// The first line of a file that only root reads.
#[cfg(any(feature = "mail", feature = "hook"))]
fn secret(path: &str) -> Result<String> {
    let bytes = crate::kernel::files::read(std::path::Path::new(path), 4096)?
        .with_context(|| format!("{path}: it is not there"))?;
    Ok(String::from_utf8_lossy(&bytes).lines().next().unwrap_or_default().trim().to_owned())
}

#[cfg(feature = "hook")]
fn by_hook(hook: &WebHook, letter: &Letter) -> Result<()> {
    let config = ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).build();
    let agent: ureq::Agent = config.into();
    let request = agent.post(&hook.url).header("Content-Type", "application/json");
    let mut request = request.header("Idempotency-Key", &letter.id);
    if let Some(path) = &hook.token_file {
        request = request.header("Authorization", &format!("Bearer {}", secret(path)?));
    }
    request.send(&letter.text)?;
    Ok(())
}

#[cfg(not(feature = "hook"))]
fn by_hook(_: &WebHook, _: &Letter) -> Result<()> {
    anyhow::bail!("this program was built without web hooks")
}

#[cfg(feature = "mail")]
fn by_smtp(server: &SmtpServer, letter: &Letter) -> Result<()> {
    use lettre::{
        SmtpTransport, Transport as _,
        address::{Address, Envelope},
        transport::smtp::authentication::Credentials,
    };

    use crate::config::alerts::Protection;

    let address = |text: &Option<String>| -> Result<Address> {
        let text = text.as_deref().unwrap_or_default();
        text.parse().with_context(|| format!("`{text}` is not a mail address"))
    };
    let envelope = Envelope::new(Some(address(&server.from)?), vec![address(&server.to)?])?;
    let mut builder = match server.protection {
        Protection::StartTls => SmtpTransport::starttls_relay(&server.server)?,
        Protection::Tls => SmtpTransport::relay(&server.server)?,
        Protection::Open => SmtpTransport::builder_dangerous(&server.server),
    };
    builder = builder.timeout(Some(PATIENCE));
    if let Some(port) = server.port {
        builder = builder.port(port);
    }
    if let Some(user) = &server.user {
        let password = server.password_file.as_deref().map(secret).transpose()?.unwrap_or_default();
        builder = builder.credentials(Credentials::new(user.clone(), password));
    }
    let date = jiff::Timestamp::from_second(i64::try_from(letter.written)?)?;
    let date = date.strftime("%a, %d %b %Y %H:%M:%S +0000");
    let headers = format!(
        "Date: {date}\r\nMessage-ID: <{}@mdctl.invalid>\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n",
        letter.id
    );
    let text = letter.text.replace("\r\n", "\n").replace('\n', "\r\n");
    builder.build().send_raw(&envelope, format!("{headers}{text}").as_bytes())?;
    Ok(())
}

#[cfg(not(feature = "mail"))]
fn by_smtp(_: &SmtpServer, _: &Letter) -> Result<()> {
    anyhow::bail!("this program was built without SMTP")
}
