//! `host:port`, before anybody is asked where that is.

/// Checks that it has both.
///
/// # Errors
/// What is wrong, for people.
pub(crate) fn check(host: &str) -> Result<(), String> {
    match host.rsplit_once(':') {
        Some((name, port))
            if !name.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0) =>
        {
            Ok(())
        }
        _ => Err(format!("`{host}` is not host:port")),
    }
}
