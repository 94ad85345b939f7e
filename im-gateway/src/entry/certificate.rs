//! The certificate of the gateway's listeners.

use std::sync::Arc;

use mprpc::{ListenerTls, TlsError};
use rustls::crypto::aws_lc_rs;

use crate::config::{TlsConfig, ms};

/// What a listener needs whose clients speak `protocol`, if they name one (ALPN).
///
/// Little is kept of a client: it takes home what resumes its session, sealed with a key of this
/// process.
///
/// # Errors
/// A file that is missing, exposed or damaged, two that do not belong together, or a system without
/// random numbers.
pub(super) fn open(
    config: &TlsConfig,
    protocol: Option<&'static [u8]>,
) -> Result<ListenerTls, TlsError> {
    let path = config.cert_file.clone();
    let no_ticketer = |error: rustls::Error| TlsError::File { path, reason: error.to_string() };
    let ticketer = aws_lc_rs::Ticketer::new().map_err(no_ticketer)?;
    let protocols: Vec<_> = protocol.map(<[u8]>::to_vec).into_iter().collect();
    ListenerTls::load(&config.cert_file, &config.key_file, ms(config.reload_ms), move |tls| {
        tls.ticketer = Arc::clone(&ticketer);
        tls.send_tls13_tickets = 1;
        tls.alpn_protocols.clone_from(&protocols);
    })
}
