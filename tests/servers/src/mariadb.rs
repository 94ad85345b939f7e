//! MariaDB.

use std::fs::File;
use std::path::{Path, PathBuf};

use tokio::process::Command;

use crate::names::fresh;
use crate::private::{Server, command};

/// Who may do everything in databases whose names begin with `mpim_` or `test_`; the password is the
/// same word.
const USER: &str = "mpim";
const GRANTS: &str = "CREATE USER IF NOT EXISTS 'mpim'@'%' IDENTIFIED BY 'mpim';\n\
    GRANT ALL PRIVILEGES ON `mpim\\_%`.* TO 'mpim'@'%';\n\
    GRANT ALL PRIVILEGES ON `test\\_%`.* TO 'mpim'@'%';\n";
/// The usual 96 MiB would have to be copied for each private server.
const LOG_SIZE: &str = "--innodb-log-file-size=10M";

/// A MariaDB that answers, or did.
#[derive(Clone, Debug)]
pub struct MariaDb {
    address: String,
}

/// A database of one test, dropped with this.
#[derive(Debug)]
pub struct Database {
    server: MariaDb,
    name: String,
}

impl MariaDb {
    /// `host:port`.
    pub fn address(&self) -> String {
        self.address.clone()
    }

    /// `mysql://user:password@host:port/<name>`, of a database that need not exist.
    pub fn url(&self, name: &str) -> String {
        format!("mysql://{USER}:{USER}@{}/{name}", self.address)
    }

    /// An empty database whose name begins with `test_<what>`.
    ///
    /// # Panics
    /// When the server does not answer, or `what` is no part of a name.
    pub fn fresh_database(&self, what: &str) -> Database {
        let name = fresh(what);
        self.execute(&format!("CREATE DATABASE {name}"));
        Database { server: self.clone(), name }
    }

    /// Runs statements; what they answer, a line each row, columns apart by tabs.
    ///
    /// # Panics
    /// When one fails.
    pub fn execute(&self, sql: &str) -> String {
        self.run("", sql).unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    fn run(&self, database: &str, sql: &str) -> Result<String, String> {
        let mut client = std::process::Command::new("mariadb");
        client.args(self.arguments()).args(["--execute", sql, database]).env("MYSQL_PWD", USER);
        let output = client.output().map_err(|error| format!("mariadb: {error}"))?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    fn arguments(&self) -> Vec<String> {
        let (host, port) = self.address.rsplit_once(':').expect("host:port");
        // Patient: a busy machine is slow to shake hands, and nobody tries again.
        let fixed = ["--no-defaults", "--skip-column-names", "--connect-timeout=60"];
        let mut arguments = fixed.map(str::to_owned).to_vec();
        arguments.extend([
            format!("--host={host}"),
            format!("--port={port}"),
            format!("--user={USER}"),
        ]);
        arguments
    }
}

impl Database {
    /// `mysql://user:password@host:port/name`.
    pub fn url(&self) -> String {
        self.server.url(&self.name)
    }

    /// `host:port` of the server that it is on.
    pub fn address(&self) -> String {
        self.server.address()
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs statements in it, as [`MariaDb::execute`].
    ///
    /// # Panics
    /// When one fails.
    pub fn execute(&self, sql: &str) -> String {
        self.server.run(&self.name, sql).unwrap_or_else(|error| panic!("{sql}: {error}"))
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // The server may be gone, on purpose.
        let _ = self.server.run("", &format!("DROP DATABASE IF EXISTS {}", self.name));
    }
}

impl Server for MariaDb {
    const NAME: &'static str = "mariadb";
    const PROGRAMS: &'static [&'static str] = &["mariadbd", "mariadb-install-db", "mariadb"];

    fn at(address: &str) -> Self {
        Self { address: address.to_owned() }
    }

    fn prepare(directory: &Path, _port: u16) {
        let data = directory.join("data");
        let mut copy = std::process::Command::new("cp");
        let copy = copy.args(["-R", "--reflink=auto"]).arg(template().join(".")).arg(&data);
        let copied = copy.output().expect("cp runs");
        assert!(copied.status.success(), "{}", String::from_utf8_lossy(&copied.stderr));
        std::fs::write(directory.join("init.sql"), GRANTS).expect("a file can be written");
    }

    fn command(directory: &Path, port: u16) -> Command {
        let mut command = command("mariadbd");
        command.args(["--no-defaults", "--socket=mariadb.sock", "--bind-address=127.0.0.1"]);
        command.arg(format!("--user={}", user())).arg(format!("--port={port}"));
        command.arg(format!("--datadir={}", directory.join("data").display()));
        command.arg(format!("--init-file={}", directory.join("init.sql").display()));
        command.args(["--pid-file=mariadb.pid", "--skip-name-resolve", LOG_SIZE]);
        command.args(["--innodb-buffer-pool-size=32M", "--innodb-flush-log-at-trx-commit=1"]);
        command
    }

    async fn answers(&self) -> Result<(), String> {
        let mut client = Command::new("mariadb");
        client.args(self.arguments()).args(["--execute", "SELECT 1"]).env("MYSQL_PWD", USER);
        let output = client.kill_on_drop(true).output().await;
        let output = output.map_err(|error| format!("mariadb: {error}"))?;
        let said = || String::from_utf8_lossy(&output.stderr).trim().to_owned();
        if output.status.success() { Ok(()) } else { Err(said()) }
    }
}

/// Who runs this; `mariadbd` wants to be told when that is root.
fn user() -> String {
    let id = std::process::Command::new("id").arg("-un").output().expect("id runs");
    String::from_utf8_lossy(&id.stdout).trim().to_owned()
}

/// A data directory to copy, made once: that takes longer than everything else about a server.
fn template() -> PathBuf {
    let this_test = std::env::current_exe().expect("a running program has a path");
    // <target directory>/<profile>/deps/<test>, or <target directory>/<profile>/<program>
    let mut above = this_test.ancestors().skip(1).skip_while(|above| above.ends_with("deps"));
    let target = above.nth(1).expect("tests run from a target directory");
    let (template, lock) = (target.join("test-mariadb"), target.join("test-mariadb.lock"));
    let lock = File::create(lock).expect("the target directory can be written");
    lock.lock().expect("a file can be locked");
    if !template.is_dir() {
        let unfinished = target.join("test-mariadb.new");
        // Of a test that was killed while it made this.
        let _ = std::fs::remove_dir_all(&unfinished);
        let mut install = std::process::Command::new("mariadb-install-db");
        install.args(["--no-defaults", "--auth-root-authentication-method=normal"]);
        install.args(["--skip-test-db", LOG_SIZE]).arg(format!("--user={}", user()));
        install.arg(format!("--datadir={}", unfinished.display()));
        let installed = install.output().expect("mariadb-install-db runs");
        let said = String::from_utf8_lossy(&installed.stderr);
        assert!(installed.status.success(), "mariadb-install-db: {said}");
        std::fs::rename(&unfinished, &template).expect("a directory can be renamed");
    }
    template
}
