//! mdctl.conf: where alerts of the monitor go besides the receivers that mdadm.conf knows. The lines are mdadm.conf's:
//! `SMTP server=NAME port=587 tls=starttls user=NAME password-file=PATH from=ADDRESS to=ADDRESS` and
//! `HOOK url=URL token-file=PATH`.

use super::lines;

/// How a connection is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protection {
    /// It begins openly and changes over; a server that cannot is refused.
    #[default]
    StartTls,
    /// From the first byte on.
    Tls,
    /// Not at all.
    Open,
}

/// A server that takes mail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SmtpServer {
    pub server: String,
    /// The usual one of the protection where nothing is said.
    pub port: Option<u16>,
    pub protection: Protection,
    pub user: Option<String>,
    /// The file whose first line is the password.
    pub password_file: Option<String>,
    /// MAILFROM's address where nothing is said.
    pub from: Option<String>,
    /// MAILADDR where nothing is said.
    pub to: Option<String>,
}

impl SmtpServer {
    /// The port that is named, or that the protection has.
    pub fn usual_port(&self) -> u16 {
        self.port.unwrap_or(match self.protection {
            Protection::StartTls => 587,
            Protection::Tls => 465,
            Protection::Open => 25,
        })
    }
}

/// A web address that takes JSON documents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebHook {
    pub url: String,
    /// The file whose first line is a bearer's token.
    pub token_file: Option<String>,
}

/// Everything that the file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Alerts {
    pub smtp: Option<SmtpServer>,
    pub hooks: Vec<WebHook>,
}

impl Alerts {
    /// The files of passwords.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let of_server = self.smtp.iter().filter_map(|server| server.password_file.as_deref());
        of_server.chain(self.hooks.iter().filter_map(|hook| hook.token_file.as_deref()))
    }
}

/// Reads the text; what was not understood is said, and its line is not used.
pub fn parse(text: &str) -> (Alerts, Vec<String>) {
    let (mut alerts, mut odd) = (Alerts::default(), Vec::new());
    for line in lines::split(text) {
        let Some((keyword, words)) = line.words.split_first() else { continue };
        let understood = match keyword.to_ascii_lowercase().as_str() {
            "smtp" if alerts.smtp.is_some() => Err("a second SMTP line".to_owned()),
            "smtp" => smtp(words).map(|server| alerts.smtp = Some(server)),
            "hook" => hook(words).map(|hook| alerts.hooks.push(hook)),
            _ => Err(format!("unknown keyword {keyword}")),
        };
        if let Err(why) = understood {
            odd.push(format!("line {}: {why}", line.number));
        }
    }
    (alerts, odd)
}

fn smtp(words: &[String]) -> Result<SmtpServer, String> {
    let mut found = SmtpServer::default();
    for word in words {
        let (name, value) = word.split_once('=').ok_or_else(|| format!("{word} is not NAME=VALUE"))?;
        let value = value.to_owned();
        match name {
            "server" => found.server = value,
            "port" => found.port = Some(value.parse().map_err(|_| format!("{value} is not a port"))?),
            "tls" => {
                found.protection = match value.as_str() {
                    "starttls" => Protection::StartTls,
                    "yes" => Protection::Tls,
                    "no" => Protection::Open,
                    _ => return Err(format!("tls is starttls, yes or no, and not {value}")),
                }
            }
            "user" => found.user = Some(value),
            "password-file" => found.password_file = Some(value),
            "from" => found.from = Some(value),
            "to" => found.to = Some(value),
            _ => return Err(format!("SMTP has no {name}")),
        }
    }
    if found.server.is_empty() { Err("SMTP needs server=NAME".to_owned()) } else { Ok(found) }
}

fn hook(words: &[String]) -> Result<WebHook, String> {
    let mut found = WebHook::default();
    for word in words {
        match word.split_once('=') {
            Some(("url", value)) => found.url = value.to_owned(),
            Some(("token-file", value)) => found.token_file = Some(value.to_owned()),
            _ => return Err(format!("HOOK has no {word}")),
        }
    }
    let is_web = found.url.starts_with("https://") || found.url.starts_with("http://");
    if is_web { Ok(found) } else { Err("HOOK needs url=https://…".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_hooks_and_mistakes() {
        let text = "# alerts\nSMTP server=mail.example port=25 tls=no\n  from=md@example to=root@example\nHOOK url=https://a/b\nsmtp server=x\nHOOK url=ftp://x\nSMTP port=x\nBELL x\n";
        let (alerts, odd) = parse(text);
        let server = alerts.smtp.unwrap();
        assert_eq!(
            (server.server.as_str(), server.port, server.protection),
            ("mail.example", Some(25), Protection::Open)
        );
        assert_eq!(
            (server.from.as_deref(), server.to.as_deref()),
            (Some("md@example"), Some("root@example"))
        );
        assert_eq!(alerts.hooks, [WebHook { url: "https://a/b".to_owned(), token_file: None }]);
        assert_eq!(
            odd,
            [
                "line 5: a second SMTP line",
                "line 6: HOOK needs url=https://…",
                "line 7: a second SMTP line",
                "line 8: unknown keyword BELL"
            ]
        );
        assert_eq!(parse("SMTP port=99999 server=x").1, ["line 1: 99999 is not a port"]);
    }
}
