//! The program as somebody sees it who starts it, mistypes its configuration, and ends it.

use std::net::TcpListener;

use tempfile::TempDir;

use super::program::{Client, PORTS, Server, mpim, outcome};

#[test]
fn from_the_banner_to_a_delivered_message_and_a_clean_end() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path());
    assert!(server.banner.contains(&format!("nc 127.0.0.1 {}", server.text_lines().port())));
    let data = dir.path().canonicalize().unwrap().join("data");
    assert!(server.banner.contains(data.to_str().unwrap()), "{}", server.banner);

    let mut alice = Client::connect(server.text_lines());
    let mut bob = Client::connect(server.text_lines());
    assert_eq!(alice.ask("REGISTER alice alice-secret"), "+OK uid=1");
    assert_eq!(bob.ask("REGISTER bob bob-secret-2"), "+OK uid=2");
    assert!(alice.ask("SEND 2 hello bob").starts_with("+OK msg_id="));
    let push = bob.line();
    assert!(push.starts_with("MSG id=") && push.ends_with("text=hello bob"), "{push}");

    server.signal("INT");
    assert!(bob.line().starts_with("-ERR closing "));
    assert_eq!(server.exit_code(), Some(0));
}

#[test]
fn data_survives_a_restart() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path());
    let mut alice = Client::connect(server.text_lines());
    assert_eq!(alice.ask("REGISTER alice alice-secret"), "+OK uid=1");
    server.signal("TERM");
    assert_eq!(server.exit_code(), Some(0));

    let server = Server::start(dir.path());
    let mut alice = Client::connect(server.text_lines());
    assert_eq!(alice.ask("LOGIN alice alice-secret"), "+OK uid=1");
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let dir = TempDir::new().unwrap();
    // Longer than the test waits for the end: the client below never hangs up by itself.
    let mut command = mpim(dir.path());
    command.env("MPIM_SHUTDOWN__DRAIN_MS", "60000");
    command.env("MPIM_GATEWAY__CLOSING__LINGER_MS", "10000");
    let server = Server::spawn(&mut command);
    let mut client = Client::connect(server.text_lines());
    server.signal("TERM");
    assert!(client.line().starts_with("-ERR closing "));
    server.signal("TERM");
    assert_eq!(server.exit_code(), Some(130));
}

#[test]
fn a_second_process_on_the_same_data_is_refused_in_one_line() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path());
    let (code, stdout, stderr) = outcome(&mut mpim(dir.path()));
    let owner = server.pid;
    let line = format!("mpim: im-user: data directory ./data/user is in use by process {owner}\n");
    assert_eq!((code, stdout.as_str(), stderr), (Some(1), "", line));
}

#[test]
fn a_port_that_is_taken_is_named_in_one_line() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    for port in PORTS {
        let dir = TempDir::new().unwrap();
        let (code, stdout, stderr) = outcome(mpim(dir.path()).env(port, &addr));
        assert_eq!((code, stdout.as_str()), (Some(1), ""), "{port}");
        let reason = "Address already in use (os error 98)\n";
        assert!(stderr.starts_with("mpim: im-") && stderr.ends_with(reason), "{port}: {stderr}");
        assert_eq!(stderr.matches(&addr).count(), 1, "{port}: {stderr}");
        assert_eq!(stderr.lines().count(), 1, "{port}: {stderr}");
    }
}

#[test]
fn check_shows_what_it_would_do_and_touches_nothing() {
    let dir = TempDir::new().unwrap();
    let (code, stdout, stderr) =
        outcome(mpim(dir.path()).args(["--check", "--data-dir", "elsewhere"]));
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    for line in [
        "data_dir = \"elsewhere\"  (argument --data-dir)",
        "gateway.targets.user = \"memory://\"  (default)",
        "user.rpc.listen = \"127.0.0.1:0\"  (environment variable MPIM_USER__RPC__LISTEN)",
    ] {
        assert!(stdout.contains(line), "{line} in {stdout}");
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn a_typo_in_the_file_ends_it_with_where_and_what_was_meant() {
    let dir = TempDir::new().unwrap();
    let file = "[user.password]\nlenght_min = 6\n\n[log]\nformat = \"xml\"\n";
    std::fs::write(dir.path().join("mpim.toml"), file).unwrap();
    for arguments in [&["-i", "mpim.toml"][..], &["--check", "--config", "mpim.toml"]] {
        let (code, stdout, stderr) = outcome(mpim(dir.path()).args(arguments));
        assert_eq!((code, stdout.as_str()), (Some(2), ""));
        assert_eq!(
            stderr,
            "mpim: mpim.toml:2: `user.password.lenght_min`: unknown key; the nearest known one is \
             `user.password.length_min`\n\
             mpim: mpim.toml:5: `log.format`: unknown variant `xml`, expected one of `auto`, \
             `human`, `json`; for example, the default is \"auto\"\n"
        );
    }
}

#[test]
fn a_missing_file_ends_it_with_its_name() {
    let dir = TempDir::new().unwrap();
    let (code, _, stderr) = outcome(mpim(dir.path()).args(["-i", "no.toml"]));
    assert_eq!(code, Some(2));
    assert_eq!(
        stderr,
        "mpim: no.toml: cannot read the configuration file: \
         No such file or directory (os error 2)\n"
    );
}

#[test]
fn help_documents_the_arguments_and_exit_codes() {
    let dir = TempDir::new().unwrap();
    let (code, stdout, _) = outcome(mpim(dir.path()).arg("--help"));
    assert_eq!(code, Some(0));
    for part in ["-i, --config <FILE>", "--data-dir <DIR>", "--check", "--version", "  130  "] {
        assert!(stdout.contains(part), "{part} in {stdout}");
    }
}
