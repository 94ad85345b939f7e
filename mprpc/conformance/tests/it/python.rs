//! The cases against the server that was written from PROTOCOL.md, in Python.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use mprpc::Token;
use mprpc_conformance::{CASES, Peer};

/// It takes a thousand threads of Python seconds, and shows nothing that the other large one does not.
const LEFT_OUT: &[&str] = &["thousand_large_at_once"];

const TOKEN: &str = "conformance-asks-for-it";

/// `TEST_PYTHON`, or the one of the machine.
#[expect(clippy::print_stdout, reason = "a test that cannot run says so")]
fn python() -> Option<OsString> {
    let name = std::env::var_os("TEST_PYTHON").unwrap_or_else(|| "python3".into());
    let runs = Command::new(&name).arg("--version").output();
    if runs.is_ok_and(|output| output.status.success()) {
        return Some(name);
    }
    println!("SKIPPED: no {} to run the second implementation with", name.display());
    None
}

/// Ends with its test.
struct Theirs(Child);

impl Drop for Theirs {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn their_server_holds_every_case_that_is_about_one() {
    let Some(python) = python() else { return };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("tests/python");
    let mut child = Command::new(python)
        .arg("-B")
        .arg(folder.join("server.py"))
        // The longest frame, from how many bytes on it compresses, and the token that it asks for.
        .args(["4194304", "1024", TOKEN])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let stdout = child.stdout.take().unwrap();
    let _theirs = Theirs(child);
    let mut address = String::new();
    BufReader::new(stdout).read_line(&mut address).unwrap();
    let token = Token::new(TOKEN).unwrap();
    let peer = Peer::with_token(&format!("static://{}", address.trim_end()), &token).unwrap();
    let classic = Peer::new(&format!("static://{}?wire=classic", address.trim_end())).unwrap();
    for case in CASES.iter().filter(|case| !LEFT_OUT.contains(&case.name)) {
        case.run(&peer).await.unwrap_or_else(|failure| panic!("{}: {failure}", case.name));
        if case.classic {
            case.run(&classic).await.unwrap_or_else(|failure| panic!("{}: {failure}", case.name));
        }
    }
}
