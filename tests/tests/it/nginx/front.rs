//! nginx as it is shipped, on ports and with files of the test's, and clients that come through it.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use mpim_tests::{DEADLINE, Stack, binary, free_address, until};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

const MODULE: &str = "/usr/lib/nginx/modules/ngx_stream_module.so";
const SHIPPED: &str = include_str!("../../../../conf/nginx/mpim.conf");

type Secure = BufReader<TlsStream<TcpStream>>;

/// A running nginx. It ends with the test.
pub(super) struct Front {
    nginx: Child,
    connector: TlsConnector,
    https: SocketAddr,
    text: SocketAddr,
    frames: SocketAddr,
}

impl Front {
    pub(super) fn is_installed() -> bool {
        let installed = Path::new(MODULE).exists() && program().exists();
        if !installed {
            println!("SKIPPED: nginx and its stream module are not installed");
        }
        installed
    }

    /// Before the gateways of `stack`.
    pub(super) async fn start(stack: &Stack) -> Self {
        let directory = stack.directory().join("nginx");
        let tls = directory.join("tls");
        std::fs::create_dir_all(&directory).unwrap();
        let made =
            Command::new(binary("mpim")).arg("cert").arg("--out").arg(&tls).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let [https, text, frames] = [(); 3].map(|()| free_address());
        let conf = directory.join("nginx.conf");
        std::fs::write(&conf, configuration(stack, &directory, [https, text, frames])).unwrap();
        let errors = std::fs::File::create(directory.join("stderr")).unwrap();
        let nginx = Command::new(program())
            .args(["-g", "daemon off; master_process off;", "-p"])
            .arg(&directory)
            .arg("-c")
            .arg(&conf)
            .stdin(Stdio::null())
            .stderr(errors)
            .spawn()
            .unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(tls.join("ca.pem")).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = TlsConnector::from(Arc::new(config));
        let front = Self { nginx, connector, https, text, frames };
        until("nginx answers", async || match front.connect(front.https).await {
            Ok(_) => Ok(()),
            Err(error) => {
                let said = std::fs::read_to_string(directory.join("stderr")).unwrap_or_default();
                Err(format!("{error}\n{said}"))
            }
        })
        .await;
        front
    }

    async fn connect(&self, address: SocketAddr) -> io::Result<Secure> {
        let stream = TcpStream::connect(address).await?;
        let secure = self.connector.connect(ServerName::from(address.ip()), stream).await?;
        Ok(BufReader::new(secure))
    }

    /// Somebody who speaks text lines and was welcomed.
    pub(super) async fn text(&self) -> Text {
        until("a welcome", async || {
            let stream = self.connect(self.text).await.map_err(|error| error.to_string())?;
            let mut client = Text { stream, uid: 0 };
            match client.line().await {
                Some(line) if line.starts_with("+OK welcome") => Ok(client),
                other => Err(format!("{other:?}")),
            }
        })
        .await
    }

    /// Frames go through: a heartbeat, and its echo.
    pub(super) async fn heartbeats(&self) {
        let heartbeat =
            [&10_u32.to_be_bytes()[..], &9002_u16.to_be_bytes(), &[1, 0], b"{}"].concat();
        until("the echo of a heartbeat", async || {
            let mut frames = self.connect(self.frames).await?;
            frames.write_all(&heartbeat).await?;
            let mut echo = [0; 10];
            timeout(DEADLINE, frames.read_exact(&mut echo)).await??;
            assert_eq!(u16::from_be_bytes([echo[4], echo[5]]), 9003);
            io::Result::Ok(())
        })
        .await;
    }

    /// A WebSocket goes through: a ping, and its pong.
    pub(super) async fn web_socket_pings(&self) {
        let mut socket = self.connect(self.https).await.unwrap();
        let request = format!(
            "GET /ws HTTP/1.1\r\nHost: {0}\r\nOrigin: https://{0}\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            self.https
        );
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(socket.read_line(&mut head).await.unwrap() > 0, "{head}");
        }
        assert!(head.starts_with("HTTP/1.1 101"), "{head}");
        socket.write_all(&[0x89, 0x82, 0, 0, 0, 0, b'h', b'i']).await.unwrap();
        let mut pong = [0; 4];
        timeout(DEADLINE, socket.read_exact(&mut pong)).await.unwrap().unwrap();
        assert_eq!(pong, [0x8a, 2, b'h', b'i']);
    }

    /// The status of a request.
    pub(super) async fn get(&self, path: &str) -> u16 {
        let mut stream = self.connect(self.https).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // nginx may leave without the alert that TLS has for it.
        let _ = timeout(DEADLINE, stream.read_to_end(&mut answer)).await.expect("an answer");
        let answer = String::from_utf8_lossy(&answer);
        answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        let _ = self.nginx.kill();
        let _ = self.nginx.wait();
    }
}

fn program() -> PathBuf {
    PathBuf::from("/usr/sbin/nginx")
}

/// The shipped configuration with the addresses and the files of a test. Whatever is to be replaced has
/// to be there.
fn configuration(stack: &Stack, directory: &Path, listen: [SocketAddr; 3]) -> String {
    let mut text = SHIPPED.to_owned();
    let mut replace = |shipped: &str, ours: String| {
        assert!(text.contains(shipped), "{shipped} is not in the shipped configuration");
        text = text.replace(shipped, &ours);
    };
    for (shipped, ours) in ["0.0.0.0:443", "0.0.0.0:6443", "0.0.0.0:6444"].iter().zip(listen) {
        replace(&format!("listen {shipped} "), format!("listen {ours} "));
    }
    let shipped = [["8080", "8180"], ["6000", "6100"], ["6001", "6101"]];
    let ours = [stack.http_addresses(), stack.text_addresses(), stack.frames_addresses()];
    for (shipped, ours) in shipped.iter().flatten().zip(ours.iter().flatten()) {
        replace(&format!("server 127.0.0.1:{shipped} "), format!("server {ours} "));
    }
    let own = directory.display();
    replace("/etc/mpim/tls/", format!("{own}/tls/"));
    replace("/run/nginx.pid", format!("{own}/nginx.pid"));
    replace("/var/log/nginx/error.log", format!("{own}/error.log"));
    // What it writes down of requests that are long stands in directories of its own.
    let kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let paths: String =
        kinds.iter().map(|kind| format!("    {kind}_temp_path {own}/{kind};\n")).collect();
    replace("\nhttp {\n", format!("\nhttp {{\n{paths}"));
    text
}

/// Somebody who speaks text lines over TLS.
pub(super) struct Text {
    stream: Secure,
    uid: i64,
}

impl Text {
    /// The next line; nothing at the end, however that comes.
    async fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = timeout(DEADLINE, self.stream.read_line(&mut line)).await.expect("a line");
        let ended = matches!(read, Ok(0) | Err(_));
        (!ended).then(|| line.trim_end_matches('\n').to_owned())
    }

    /// Sends a command and takes the next line.
    pub(super) async fn ask(&mut self, command: &str) -> String {
        // If that fails, so does reading.
        let _ = self.stream.write_all(format!("{command}\n").as_bytes()).await;
        let said = self.line().await.unwrap_or_default();
        if let Some(uid) = said.strip_prefix("+OK uid=") {
            self.uid = uid.split(' ').next().unwrap().parse().unwrap();
        }
        said
    }

    pub(super) fn uid(&self) -> i64 {
        self.uid
    }

    /// Whether the connection lives.
    pub(super) async fn is_there(&mut self) -> bool {
        self.ask("PING").await == "+OK pong"
    }

    pub(super) async fn say(&mut self, to: i64, words: &str) {
        let said = self.ask(&format!("SEND {to} {words}")).await;
        assert!(said.starts_with("+OK msg_id="), "{said}");
    }

    /// Waits for a message that ends so; those before it may have come by then, too.
    pub(super) async fn hears(&mut self, words: &str) {
        loop {
            let line = self.line().await.expect("the message comes");
            if line.ends_with(words) {
                return;
            }
        }
    }
}
