//! The header with which a proxy says whom it brings: the PROXY protocol, versions 1 and 2.
//!
//! Not a byte behind the header is read: what follows belongs to TLS, or to the client's protocol.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// How version 2 begins.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// How version 1 begins.
const WORD: &[u8] = b"PROXY ";
/// The longest line of version 1, with its end.
const LINE_BYTES_MAX: usize = 107;
/// The longest header of version 2, what a proxy adds of its own included.
const HEADER_BYTES_MAX: usize = 536;
/// What stands before the addresses in version 2.
const HEAD_BYTES: usize = 16;

/// Reads a header; the client's address, if the proxy brings one and does not only look whether
/// somebody is there.
///
/// # Errors
/// [`io::ErrorKind::InvalidData`] when something else stands there, or what reading meets.
pub(super) async fn read<R: AsyncRead + Unpin>(stream: &mut R) -> io::Result<Option<SocketAddr>> {
    let mut header = [0; HEADER_BYTES_MAX];
    // No header is shorter.
    let (start, rest) = header.split_at_mut(SIGNATURE.len());
    stream.read_exact(start).await?;
    if start == SIGNATURE {
        let (head, addresses) = rest.split_at_mut(HEAD_BYTES - SIGNATURE.len());
        stream.read_exact(head).await?;
        let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
        let addresses = addresses.get_mut(..length).ok_or_else(|| bad("is too long"))?;
        stream.read_exact(addresses).await?;
        return version_2(head[0], head[1], addresses);
    }
    if !start.starts_with(WORD) {
        return Err(bad("is missing"));
    }
    let mut length = SIGNATURE.len();
    while !header[..length].ends_with(b"\r\n") {
        if length == LINE_BYTES_MAX {
            return Err(bad("is too long"));
        }
        header[length] = stream.read_u8().await?;
        length += 1;
    }
    let line = &header[WORD.len()..length - 2];
    std::str::from_utf8(line).ok().and_then(version_1).ok_or_else(|| bad("makes no sense"))
}

fn bad(how: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the PROXY header {how}"))
}

/// What stands between the first word and the end of the line. Nothing if it makes no sense.
fn version_1(line: &str) -> Option<Option<SocketAddr>> {
    let mut words = line.split(' ');
    let is_v4 = match words.next()? {
        "TCP4" => true,
        "TCP6" => false,
        "UNKNOWN" => return Some(None),
        _ => return None,
    };
    let mut address = || words.next()?.parse::<IpAddr>().ok().filter(|ip| ip.is_ipv4() == is_v4);
    let (from, _) = (address()?, address()?);
    let mut port = || {
        let word = words.next()?;
        let digits = word.bytes().all(|byte| byte.is_ascii_digit());
        word.parse::<u16>().ok().filter(|_| digits)
    };
    let (port, _) = (port()?, port()?);
    words.next().is_none().then_some(Some(SocketAddr::new(from, port)))
}

fn version_2(command: u8, family: u8, addresses: &[u8]) -> io::Result<Option<SocketAddr>> {
    match command {
        // Of the proxy's own: it looks whether somebody is there.
        0x20 => return Ok(None),
        0x21 => {}
        _ => return Err(bad("is of another version")),
    }
    let short = || bad("is too short");
    match family {
        // TCP over IPv4: source, destination, and their ports.
        0x11 => {
            let addresses = addresses.first_chunk::<12>().ok_or_else(short)?;
            let [a, b, c, d, _, _, _, _, high, low, _, _] = *addresses;
            let port = u16::from_be_bytes([high, low]);
            Ok(Some((Ipv4Addr::new(a, b, c, d), port).into()))
        }
        // The same over IPv6.
        0x21 => {
            let addresses = addresses.first_chunk::<36>().ok_or_else(short)?;
            let from = addresses.first_chunk::<16>().ok_or_else(short)?;
            let port = u16::from_be_bytes([addresses[32], addresses[33]]);
            Ok(Some((Ipv6Addr::from(*from), port).into()))
        }
        // From a Unix socket, or from where the proxy does not say.
        0x00 | 0x31 => Ok(None),
        _ => Err(bad("is of another family")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a header says, and what is left behind it.
    async fn read_all(mut bytes: &[u8]) -> (Result<Option<String>, String>, &[u8]) {
        let read = read(&mut bytes).await;
        let read = read.map(|from| from.map(|from| from.to_string()));
        (read.map_err(|error| error.to_string()), bytes)
    }

    fn v2(command: u8, family: u8, addresses: &[u8]) -> Vec<u8> {
        let length = u16::try_from(addresses.len()).unwrap().to_be_bytes();
        [&SIGNATURE[..], &[command, family], &length, addresses].concat()
    }

    #[tokio::test]
    async fn a_proxy_says_whom_it_brings_and_the_rest_is_left() {
        let v4 = [10, 0, 0, 1, 192, 0, 2, 9, 0x30, 0x39, 0x1f, 0x90];
        let mut v6 = [0; 36];
        (v6[15], v6[32], v6[33]) = (1, 0x30, 0x39);
        for (header, from) in [
            (b"PROXY TCP4 10.0.0.1 192.0.2.9 12345 8080\r\n".to_vec(), Some("10.0.0.1:12345")),
            (b"PROXY TCP6 ::1 2001:db8::9 12345 8080\r\n".to_vec(), Some("[::1]:12345")),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
            (b"PROXY UNKNOWN whatever else 1 2\r\n".to_vec(), None),
            (v2(0x21, 0x11, &v4), Some("10.0.0.1:12345")),
            // What a proxy adds of its own is passed over.
            (
                v2(0x21, 0x11, &[&v4[..], &[0x03, 0, 4, 1, 2, 3, 4]].concat()),
                Some("10.0.0.1:12345"),
            ),
            (v2(0x21, 0x21, &v6), Some("[::1]:12345")),
            (v2(0x20, 0x00, b""), None),
            (v2(0x20, 0x11, &v4), None),
            (v2(0x21, 0x00, b"xyz"), None),
            (v2(0x21, 0x31, &[0; 216]), None),
        ] {
            let bytes = [&header[..], b"LOGIN ada"].concat();
            let (said, rest) = read_all(&bytes).await;
            assert_eq!(said, Ok(from.map(str::to_owned)), "{}", header.escape_ascii());
            assert_eq!(rest, b"LOGIN ada");
        }
    }

    #[tokio::test]
    async fn what_is_no_header_is_none() {
        let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(100));
        let bare = format!("PROXY TCP4 10.0.0.1 10.0.0.2 1 2\n{}", " ".repeat(100));
        for bytes in [
            &b"LOGIN ada password\n"[..],
            b"proxy TCP4 10.0.0.1 10.0.0.2 1 2\r\n",
            b"PROXY TCP4 10.0.0.1 10.0.0.2 1\r\n",
            b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2 3\r\n",
            b"PROXY TCP4  10.0.0.1 10.0.0.2 1 2\r\n",
            b"PROXY TCP4 ::1 ::1 1 2\r\n",
            b"PROXY TCP4 10.0.0.1 10.0.0.2 +1 2\r\n",
            b"PROXY TCP4 10.0.0.1 10.0.0.2 65536 2\r\n",
            bare.as_bytes(),
            b"PROXY UDP4 10.0.0.1 10.0.0.2 1 2\r\n",
            long.as_bytes(),
            &v2(0x11, 0x11, &[0; 12]),
            &v2(0x22, 0x11, &[0; 12]),
            &v2(0x21, 0x12, &[0; 12]),
            &v2(0x21, 0x11, &[0; 11]),
            &v2(0x21, 0x21, &[0; 35]),
            &v2(0x21, 0x11, &[0; HEADER_BYTES_MAX]),
        ] {
            let (said, _) = read_all(bytes).await;
            assert!(said.as_ref().is_err_and(|said| said.contains("the PROXY header")), "{said:?}");
        }
        // Cut off anywhere.
        let whole = v2(0x21, 0x11, &[0; 12]);
        for end in 0..whole.len() {
            assert!(read_all(&whole[..end]).await.0.is_err(), "{end}");
        }
    }
}
