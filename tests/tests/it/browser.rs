//! The web client in Chromium, against gateways as they are: what people do with it, and what they see
//! while gateways die. `scripts/test web` installs what this needs, and runs it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use mpim_tests::{Balancer, Layout, Stack};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, Command};

/// For a scene and its faults; its own waits are far shorter.
const SCENE: Duration = Duration::from_secs(300);

/// What the one process is asked for: all but what takes two gateways.
const IN_ONE_PROCESS: [&str; 18] = [
    "a_group_talks",
    "a_refused_message_stays_with_its_author",
    "text_is_only_text",
    "two_browsers_chat",
    "a_busy_conversation_stays_light",
    "a_keyboard_is_enough",
    "a_long_history_keeps_its_place",
    "a_reader_goes_on_where_they_stopped",
    "a_reader_is_not_thrown_back",
    "a_telephone_shows_one_pane",
    "devices_are_shown_and_put_out",
    "settings_change_what_they_say",
    "every_view_is_accessible",
    "a_gateway_dies_in_between",
    "a_page_may_be_loaded_again_at_any_moment",
    "another_window_takes_over",
    "answers_are_lost",
    "two_windows_never_are_two_people",
];

#[tokio::test]
#[ignore = "needs Node and Chromium: scripts/test web"]
async fn everything_that_people_do_and_a_server_that_dies_in_between() {
    let mut stack = Stack::builder(Layout::Embedded).start().await;
    let base = stack.http_address();
    // All that a gateway is for is in the one process.
    let doing = Faults { down: &["mpim"], names: "down,up" };
    perform(&mut stack, base, &doing, Some(&IN_ONE_PROCESS.join(","))).await;
}

#[tokio::test]
#[ignore = "needs Node and Chromium: scripts/test web"]
async fn people_talk_on_while_each_of_two_gateways_dies() {
    let Some(cluster) = Stack::cluster().await else { return };
    let mut stack = cluster.instances(2).start().await;
    let balancer = Balancer::before(stack.http_addresses()).await;
    let doing =
        Faults { down: &["im-gateway", "im-gateway-2"], names: "kill-1,start-1,kill-2,start-2" };
    let scenes = "two_browsers_chat,a_group_talks,one_of_two_gateways_dies";
    perform(&mut stack, balancer.address(), &doing, Some(scenes)).await;
}

/// What the scenes may ask for.
struct Faults {
    /// The processes that they are about.
    down: &'static [&'static str],
    names: &'static str,
}

impl Faults {
    async fn make(&self, stack: &mut Stack, name: &str) {
        match name.split_once('-').unwrap_or((name, "1")) {
            ("down" | "kill", number) => stack.kill(self.process(number)).await,
            ("up" | "start", number) => stack.restart(self.process(number)).await,
            _ => panic!("no such fault: {name}"),
        }
    }

    fn process(&self, number: &str) -> &'static str {
        let number: usize = number.parse().expect("a number");
        self.down[number - 1]
    }
}

/// Runs scenes, makes the faults that they ask for, and takes no failure and no scene left out.
async fn perform(stack: &mut Stack, base: SocketAddr, faults: &Faults, only: Option<&str>) {
    let mut scenes = start(base, faults.names, only);
    let mut answers = scenes.stdin.take().expect("a pipe");
    let mut lines = BufReader::new(scenes.stdout.take().expect("a pipe")).lines();
    let mut failures = Vec::new();
    let mut passed = 0;
    while let Some(line) = next(&mut lines).await {
        let told: Value = serde_json::from_str(&line).expect("JSON");
        if let Some(fault) = told["fault"].as_str() {
            faults.make(stack, fault).await;
            let done = format!("{}\n", json!({ "done": fault }));
            answers.write_all(done.as_bytes()).await.expect("somebody reads");
        } else if told["passed"].is_string() {
            passed += 1;
        } else if told["summary"].is_null() {
            failures.push(told);
        }
    }
    let ended = scenes.wait().await.expect("it ends");
    assert!(failures.is_empty(), "{failures:#?}");
    assert!(ended.success() && passed > 0, "{ended}, {passed} passed");
}

async fn next(
    lines: &mut tokio::io::Lines<BufReader<tokio::process::ChildStdout>>,
) -> Option<String> {
    let line = tokio::time::timeout(SCENE, lines.next_line()).await;
    line.expect("it goes on").expect("it can be read")
}

fn start(base: SocketAddr, faults: &str, only: Option<&str>) -> Child {
    let program = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../web/tests/browser/run.mjs");
    let mut command = Command::new("node");
    command.arg(program).args(["--base", &format!("http://{base}/"), "--faults", faults]);
    if let Some(only) = only {
        command.args(["--only", only]);
    }
    if let Some(pictures) = std::env::var_os("WEB_PICTURES") {
        command.arg("--pictures").arg(pictures);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    command.spawn().expect("Node can be started")
}
