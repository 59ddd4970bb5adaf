//! The client of an admin port.

use std::{error::Error, fmt, str::FromStr, time::Duration};

use bytes::Bytes;
use http::{
    HeaderValue, Request, StatusCode, Uri,
    header::{AUTHORIZATION, HOST},
    uri::{Authority, Scheme},
};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::{
    net::TcpStream,
    time::{Instant, timeout},
};

use crate::{
    exposition::Exposition,
    snapshot::{DeniedKey, Keys, Snapshot},
};

/// The admin port of a gateway. It is asked over a connection of its own each time, so it may restart in between.
#[derive(Clone, Debug)]
pub struct AdminPort {
    authority: Authority,
    token: Option<HeaderValue>,
}

/// An address that is not that of an admin port, or a token that cannot be sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Unusable(&'static str);

/// The reason that there is no snapshot: what was asked, what came instead, and a remedy if there is one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Unanswered(String);

impl FromStr for AdminPort {
    type Err = Unusable;

    /// Reads `http://HOST:PORT`, or `HOST:PORT` as the policy has it.
    fn from_str(text: &str) -> Result<Self, Unusable> {
        let uri: Uri = text.parse().map_err(|_| Unusable(NO_ADDRESS))?;
        let is_bare = uri.path_and_query().is_none_or(|path| path == "/");
        match uri.authority() {
            _ if uri.scheme() == Some(&Scheme::HTTPS) => Err(Unusable(NO_TLS)),
            _ if uri.scheme().is_some_and(|scheme| *scheme != Scheme::HTTP) => Err(Unusable(NO_ADDRESS)),
            Some(authority)
                if is_bare && authority.port_u16().is_some() && !authority.as_str().contains('@') =>
            {
                Ok(Self { authority: authority.clone(), token: None })
            }
            _ => Err(Unusable(NO_ADDRESS)),
        }
    }
}

impl AdminPort {
    /// The same port, asked with this token.
    ///
    /// # Errors
    ///
    /// A token with characters that no header can carry.
    pub fn with_token(self, token: &str) -> Result<Self, Unusable> {
        let mut value = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| Unusable(NO_TOKEN))?;
        value.set_sensitive(true);
        Ok(Self { token: Some(value), ..self })
    }

    /// Asks for everything that is shown.
    ///
    /// # Errors
    ///
    /// The reason that there are no metrics. Keys that cannot be had are no error.
    pub(crate) async fn snapshot(&self) -> Result<Snapshot, Unanswered> {
        let (status, body) = self.get("/metrics").await?;
        let unlike = |what: &dyn fmt::Display| {
            Unanswered(format!(
                "{self} does not serve Sluicegate's metrics: {what}; is it gateway.admin of the policy?"
            ))
        };
        if status != StatusCode::OK {
            return Err(unlike(&format_args!("GET /metrics got {status}")));
        }
        let text = str::from_utf8(&body).map_err(|error| unlike(&error))?;
        let metrics = Exposition::parse(text).map_err(|error| unlike(&error))?;
        if metrics.total("sluicegate_requests_total").is_none() {
            return Err(unlike(&"sluicegate_requests_total is missing"));
        }
        let taken = Instant::now();
        Ok(Snapshot { taken, metrics, keys: self.keys().await? })
    }

    async fn keys(&self) -> Result<Keys, Unanswered> {
        let (status, body) = self.get("/denials").await?;
        Ok(match status {
            StatusCode::OK => match serde_json::from_slice(&body) {
                Ok(Denials { keys }) => Keys::Known(keys),
                Err(error) => Keys::Hidden(format!("GET /denials: {error}")),
            },
            StatusCode::UNAUTHORIZED if self.token.is_some() => Keys::Hidden(WRONG_TOKEN.to_owned()),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Keys::Hidden(TOKEN_NEEDED.to_owned()),
            other => Keys::Hidden(format!("GET /denials got {other}")),
        })
    }

    async fn get(&self, path: &str) -> Result<(StatusCode, Bytes), Unanswered> {
        let silent = |error: &dyn fmt::Display| Unanswered(format!("{self} does not answer: {error}"));
        match timeout(PATIENCE, self.ask(path)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(silent(&error)),
            Err(_) => Err(silent(&format_args!("nothing came for {} seconds", PATIENCE.as_secs()))),
        }
    }

    async fn ask(&self, path: &str) -> Result<(StatusCode, Bytes), Box<dyn Error + Send + Sync>> {
        let host = self.authority.host();
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let port = self.authority.port_u16().unwrap_or_default();
        let stream = TcpStream::connect((host, port)).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let mut request =
            Request::get(path).header(HOST, self.authority.as_str()).body(Empty::<Bytes>::new())?;
        if let Some(token) = &self.token {
            request.headers_mut().insert(AUTHORIZATION, token.clone());
        }
        let answer = async move {
            let response = sender.send_request(request).await?;
            let status = response.status();
            let body = Limited::new(response.into_body(), LARGEST_BODY).collect().await?.to_bytes();
            Ok((status, body))
        };
        // An error of the connection is one of the answer, too.
        let (answer, _) = tokio::join!(answer, connection);
        answer
    }
}

/// The body of `/denials`.
#[derive(Deserialize)]
struct Denials {
    keys: Vec<DeniedKey>,
}

impl fmt::Display for AdminPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.authority)
    }
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Unusable {}

impl Error for Unanswered {}

/// For one response.
const PATIENCE: Duration = Duration::from_secs(5);

/// A policy of thousands of routes stays below it.
const LARGEST_BODY: usize = 64 << 20;

const NO_ADDRESS: &str =
    "it is not the address of an admin port; give a host and a port, as in http://127.0.0.1:9090";
const NO_TLS: &str = "the admin port has no TLS; give http://, and cross a network through a tunnel (ssh -L)";
const NO_TOKEN: &str = "the token has characters that no header can carry; give gateway.admin_token as it is";
const TOKEN_NEEDED: &str = "they require gateway.admin_token: set SLUICEGATE_GATEWAY__ADMIN_TOKEN";
const WRONG_TOKEN: &str = "the token is not the gateway's gateway.admin_token";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_and_a_port_with_or_without_http() {
        for text in ["http://127.0.0.1:9090", "127.0.0.1:9090", "http://[::1]:9090/", "localhost:9090"] {
            assert!(text.parse::<AdminPort>().is_ok(), "{text}");
        }
        for text in [
            "",
            "/metrics",
            "http://127.0.0.1",
            "http://a:9090/metrics",
            "http://me:pw@a:9090",
            "a b:1",
            "ftp://a:1",
        ] {
            assert_eq!(text.parse::<AdminPort>().unwrap_err(), Unusable(NO_ADDRESS), "{text}");
        }
        assert_eq!("https://a:9090".parse::<AdminPort>().unwrap_err(), Unusable(NO_TLS));
    }

    #[test]
    fn a_token_is_not_shown() {
        let port = "127.0.0.1:9090".parse::<AdminPort>().unwrap().with_token("s3cret").unwrap();
        assert!(!format!("{port:?} {port}").contains("s3cret"));
        assert!(port.with_token("a\nb").is_err());
    }
}
