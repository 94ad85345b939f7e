//! The program as somebody sees it who hands it secrets.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

use tempfile::TempDir;

use super::program::{mpim, outcome};

#[test]
fn a_text_comes_from_a_file_of_its_own_and_a_check_says_so() {
    let dir = TempDir::new().unwrap();
    std::fs::write(dir.path().join("where"), "elsewhere\n").unwrap();
    std::fs::write(dir.path().join("mpim.toml"), "data_dir_file = \"where\"\n").unwrap();
    let (code, stdout, stderr) = outcome(mpim(dir.path()).args(["--check", "-i", "mpim.toml"]));
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let line = "  data_dir = \"elsewhere\"  (mpim.toml:1, file where)\n";
    assert!(stdout.contains(line), "{stdout}");
}

#[test]
fn a_file_that_is_not_there_ends_it_with_its_name_and_key() {
    let dir = TempDir::new().unwrap();
    let (code, _, stderr) = outcome(mpim(dir.path()).env("MPIM_DATA_DIR_FILE", "no/such"));
    assert_eq!(code, Some(2));
    assert_eq!(
        stderr,
        "mpim: environment variable MPIM_DATA_DIR_FILE: `data_dir_file`: cannot read no/such: No \
         such file or directory (os error 2): it must hold the value of `data_dir`\n"
    );
}

#[test]
fn a_check_warns_of_a_secret_that_everybody_may_read() {
    let dir = TempDir::new().unwrap();
    let url = dir.path().join("url");
    std::fs::write(&url, "mysql://mpim:hush@10.0.0.5:3306/mpim_message\n").unwrap();
    for (mode, warned) in [(0o644, true), (0o600, false)] {
        std::fs::set_permissions(&url, Permissions::from_mode(mode)).unwrap();
        let mut command = mpim(dir.path());
        let command = command.arg("--check").env("MPIM_MESSAGE__DATABASE__URL_FILE", "url");
        let (code, stdout, _) = outcome(command);
        assert_eq!(code, Some(0));
        assert!(!stdout.contains("hush"), "{stdout}");
        let warning =
            "mpim: warning: url holds the secret `message.database.url` and everybody may";
        assert_eq!(stdout.contains(warning), warned, "{stdout}");
    }
}

#[test]
fn a_check_shows_no_password_of_a_url() {
    let dir = TempDir::new().unwrap();
    let url = "mysql://mpim:hush@10.0.0.5:3306/mpim_message";
    let (_, stdout, stderr) =
        outcome(mpim(dir.path()).arg("--check").env("MPIM_MESSAGE__DATABASE__URL", url));
    let shown = "mysql://mpim:(secret)@10.0.0.5:3306/mpim_message";
    assert!(stdout.contains(shown) && !(stdout + &stderr).contains("hush"));
}
