//! Delivering by SMTP.

use anyhow::{Context as _, Result, anyhow};
use lettre::{
    SmtpTransport, Transport as _,
    address::{Address, Envelope},
    transport::smtp::{
        SmtpTransportBuilder,
        authentication::Credentials,
        client::{Tls, TlsParameters},
        extension::ClientId,
    },
};

use super::net::{PATIENCE, addresses, authorities, secret};
use crate::{
    config::alerts::{Protection, SmtpServer},
    model::monitor::Letter,
    plan::monitor::{envelope, mail},
};

/// How the library's words begin where there was no connection.
const NO_CONNECTION: &str = "Connection error: ";

/// Delivers.
pub(super) fn send(server: &SmtpServer, letter: &Letter) -> Result<()> {
    let address = |text: &String| -> Result<Address> {
        text.parse().with_context(|| format!("`{text}` is not a mail address of the form NAME@DOMAIN"))
    };
    let (from, to) = envelope(server, letter);
    let envelope = Envelope::new(Some(address(&from)?), to.iter().map(address).collect::<Result<_>>()?)?;
    let password = server.password_file.as_deref().map(secret).transpose()?.unwrap_or_default();
    let credentials = server.user.clone().map(|user| Credentials::new(user, password));
    // A name without a dot is refused by some; without any, the library names its address.
    let host = letter.id.rsplit_once('@').map(|(_, host)| host.to_owned()).filter(|host| host.contains('.'));
    let tls = protected(server)?;
    let text = mail(letter);
    // The library ends the last line itself.
    let text = text.trim_end_matches("\r\n").as_bytes();
    let mut failed = anyhow!("it has no address");
    for address in addresses(&server.server, server.usual_port())? {
        let mut builder = SmtpTransport::builder_dangerous(address.ip().to_string()).tls(tls.clone());
        builder = builder.port(address.port()).timeout(Some(PATIENCE));
        builder = credentials.iter().cloned().fold(builder, SmtpTransportBuilder::credentials);
        builder = host.iter().cloned().map(ClientId::Domain).fold(builder, SmtpTransportBuilder::hello_name);
        match builder.build().send_raw(&envelope, text) {
            Ok(_) => return Ok(()),
            // Its words have those of its source in them.
            Err(error) => failed = anyhow!("{error}"),
        }
        // Only where nobody listens at one address is the next one tried.
        if !failed.to_string().starts_with(NO_CONNECTION) {
            break;
        }
    }
    Err(failed)
}

fn protected(server: &SmtpServer) -> Result<Tls> {
    // Without them the library would refuse every server, and not say why.
    let parameters = || -> Result<TlsParameters> {
        authorities()?;
        TlsParameters::new(server.server.clone()).map_err(|error| anyhow!("{error}"))
    };
    Ok(match server.protection {
        Protection::StartTls => Tls::Required(parameters()?),
        Protection::Tls => Tls::Wrapper(parameters()?),
        Protection::Open => Tls::None,
    })
}
