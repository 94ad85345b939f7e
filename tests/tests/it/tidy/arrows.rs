//! Who may depend on whom.

use serde_json::Value;

use super::File;

const MPRPC: &[&str] =
    &["mprpc", "mprpc-build", "mprpc-cli", "mprpc-conformance", "mprpc-examples"];
const SERVICES: &[&str] = &["im-user", "im-message", "im-presence", "im-group", "im-gateway"];
/// These put the parts together, so they may depend on any; nothing depends on them.
const CROSSING: &[&str] = &["mpim", "benches", "mpim-tests"];
/// Servers that nobody here wrote, for the tests of any crate.
const TEST_SERVERS: &str = "test-servers";
/// im-wire is bytes in, events out; it has no use for more than these.
const IM_WIRE_EXTERNAL: &[&str] =
    &["bytes", "futures-util", "serde", "serde_json", "thiserror", "tokio", "tokio-websockets"];

/// The members of the workspace that `package` may depend on, of any kind of dependency; `None` for
/// a package that has no place on the map yet.
fn allowed(package: &str) -> Option<Vec<&'static str>> {
    match package {
        "im-wire" => Some(vec![]),
        "im-client" => Some(vec!["im-wire"]),
        "im-common" => Some(MPRPC.to_vec()),
        "mpim-proto" => Some(MPRPC.to_vec()),
        "im-gateway" => Some([MPRPC, &["mpim-proto", "im-common", "im-wire"]].concat()),
        TEST_SERVERS => Some(vec![]),
        _ if MPRPC.contains(&package) => Some(MPRPC.to_vec()),
        _ if SERVICES.contains(&package) => Some([MPRPC, &["mpim-proto", "im-common"]].concat()),
        _ if CROSSING.contains(&package) => Some(
            [MPRPC, SERVICES, &["mpim-proto", "im-common", "im-wire", "im-client"], CROSSING]
                .concat(),
        ),
        _ => None,
    }
}

/// Complaints about the output of `cargo metadata --no-deps`.
pub(super) fn complaints(metadata: &Value) -> Vec<String> {
    let packages = metadata["packages"].as_array().expect("metadata lists packages");
    let name = |value: &Value| value["name"].as_str().expect("names are strings").to_owned();
    let members: Vec<String> = packages.iter().map(name).collect();
    let mut complaints = Vec::new();
    for package in packages {
        let from = name(package);
        let Some(allowed) = allowed(&from) else {
            complaints.push(format!("{from} has no place in {}", file!()));
            continue;
        };
        for dependency in package["dependencies"].as_array().expect("a list") {
            let to = name(dependency);
            // The harness and what it starts are one.
            if to == TEST_SERVERS && (dependency["kind"] == "dev" || from == "mpim-tests") {
                continue;
            }
            if members.contains(&to) {
                if !allowed.contains(&to.as_str()) {
                    complaints.push(format!("{from} must not depend on {to}"));
                }
            } else if from == "im-wire"
                && dependency["kind"].is_null()
                && !IM_WIRE_EXTERNAL.contains(&to.as_str())
            {
                complaints.push(format!("im-wire stands alone, but depends on {to}"));
            }
        }
    }
    complaints
}

/// Complaints about code of mprpc that names what is built on it.
pub(super) fn foreign_words_in_mprpc(files: &[File]) -> Vec<String> {
    let ours = files.iter().filter(|file| {
        file.path.starts_with("mprpc/") && ["rs", "proto", "toml"].contains(&file.extension())
    });
    let mut complaints = Vec::new();
    for file in ours {
        for (index, line) in file.text.lines().enumerate() {
            let lower = line.to_lowercase();
            let words = lower.split(|c: char| !c.is_alphanumeric() && c != '_');
            for word in words {
                if word.starts_with("mpim") || word.starts_with("im_") {
                    complaints.push(format!("{}:{}: `{word}`", file.path, index + 1));
                }
            }
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn metadata(from: &str, to: &str) -> Value {
        json!({"packages": [
            {"name": from, "dependencies": [{"name": to, "kind": null}]},
            {"name": "im-user", "dependencies": []},
            {"name": "im-common", "dependencies": []},
            {"name": "mpim-proto", "dependencies": []},
            {"name": "mpim", "dependencies": []},
            {"name": "mprpc", "dependencies": []},
            {"name": "test-servers", "dependencies": []},
        ]})
    }

    #[test]
    fn a_forbidden_arrow_is_seen() {
        for (from, to) in [
            ("im-group", "im-user"),
            ("im-wire", "im-common"),
            ("im-wire", "hyper"),
            ("mprpc", "mpim-proto"),
            ("mprpc-build", "im-common"),
            ("im-common", "mpim-proto"),
            ("im-gateway", "mpim"),
            ("im-user", "test-servers"),
            ("test-servers", "mprpc"),
            ("a-newcomer", "bytes"),
        ] {
            assert_eq!(complaints(&metadata(from, to)).len(), 1, "{from} -> {to}");
        }
    }

    #[test]
    fn tests_may_have_servers() {
        let mut metadata = metadata("im-user", "test-servers");
        metadata["packages"][0]["dependencies"][0]["kind"] = "dev".into();
        assert_eq!(complaints(&metadata), [] as [String; 0]);
    }

    #[test]
    fn an_allowed_arrow_is_not_seen() {
        for (from, to) in [
            ("im-group", "im-common"),
            ("im-group", "tokio"),
            ("im-wire", "bytes"),
            ("benches", "im-user"),
        ] {
            assert_eq!(complaints(&metadata(from, to)), [] as [String; 0], "{from} -> {to}");
        }
    }

    #[test]
    fn a_word_of_instant_messaging_in_mprpc_is_seen() {
        let file = |path: &str, text: &str| File { path: path.into(), text: text.into() };
        let files = [
            file("mprpc/src/lib.rs", "use im_common::Clock; // for MPIM\nlet time_ms = 1;\n"),
            file("im-user/src/lib.rs", "use im_common::Clock;\n"),
        ];
        assert_eq!(foreign_words_in_mprpc(&files).len(), 2);
    }
}
