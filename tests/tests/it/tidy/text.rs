//! Rules about the text of single files.

use super::File;

/// Past this, look for the second thing that the file is about.
const LINES_MAX: usize = 400;

/// Files that may be longer, and why.
const LONGER: &[(&str, &str)] = &[];

/// Words of a note that are enough to say what is left to do, and why.
const NOTE_WORDS_MIN: usize = 4;

/// Complaints about long sources, and about exceptions that are not needed any more.
pub(super) fn too_long(files: &[File]) -> Vec<String> {
    let is_source = |file: &File| {
        ["rs", "js", "mjs", "css"].contains(&file.extension())
            || ["scripts/", ".ci/"].iter().any(|dir| file.path.starts_with(dir))
    };
    let long: Vec<(&str, usize)> = files
        .iter()
        .filter(|file| is_source(file))
        .map(|file| (file.path.as_str(), file.text.lines().count()))
        .filter(|(_, lines)| *lines > LINES_MAX)
        .collect();
    let excepted = |path: &str| LONGER.iter().any(|(excepted, _)| *excepted == path);
    let unexcused = long
        .iter()
        .filter(|(path, _)| !excepted(path))
        .map(|(path, lines)| format!("{path} has {lines} lines of at most {LINES_MAX}"));
    let stale = LONGER
        .iter()
        .filter(|(excepted, _)| !long.iter().any(|(path, _)| path == excepted))
        .map(|(excepted, _)| format!("{excepted} needs no exception any more"));
    unexcused.chain(stale).collect()
}

/// Complaints about white space that nobody sees.
pub(super) fn blanks(file: &File) -> Vec<String> {
    let mut complaints = Vec::new();
    for (index, line) in file.text.split('\n').enumerate() {
        let place = format!("{}:{}", file.path, index + 1);
        if line.contains('\t') {
            complaints.push(format!("{place}: a tab"));
        }
        if line.ends_with([' ', '\t', '\r']) {
            complaints.push(format!("{place}: a trailing blank"));
        }
    }
    if !file.text.is_empty() && !file.text.ends_with('\n') {
        complaints.push(format!("{}: no newline at the end", file.path));
    }
    complaints
}

/// Complaints about notes of something left to do that do not say what and why.
pub(super) fn bare_notes(file: &File) -> Vec<String> {
    // Put together, so that this file does not complain about itself.
    let notes = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
    let mut complaints = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        for note in notes {
            let Some((before, after)) = line.split_once(note) else {
                continue;
            };
            let within_a_word = before.ends_with(|c: char| c.is_alphanumeric() || c == '_')
                || after.starts_with(|c: char| c.is_alphanumeric() || c == '_');
            if !within_a_word && after.split_whitespace().count() < NOTE_WORDS_MIN {
                complaints.push(format!("{}:{}: a bare {note}", file.path, index + 1));
            }
        }
    }
    complaints
}

/// Complaints about methods of a `.proto` file that do not say, right above, what they do.
pub(super) fn bare_rpcs(file: &File) -> Vec<String> {
    let mut above = "";
    let mut complaints = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        let line = line.trim_start();
        if line.starts_with("rpc ") && !above.starts_with("//") {
            complaints.push(format!("{}:{}: no comment above `{line}`", file.path, index + 1));
        }
        above = line;
    }
    complaints
}

/// Complaints about names that hold on one machine only: registries, home directories, `root` (where
/// this checkout lies).
pub(super) fn places(file: &File, root: &str) -> Vec<String> {
    // Cargo writes the registry's name into its lock file.
    if file.path == "Cargo.lock" {
        return Vec::new();
    }
    // Put together, so that this file does not complain about itself.
    let hosts = [
        concat!("crates", ".io"),
        concat!("npmjs", ".org"),
        concat!("pypi", ".org"),
        concat!("proxy.golang", ".org"),
    ];
    let homes = [concat!("/", "home/"), concat!("/", "root/"), concat!("/", "Users/")];
    let mut complaints = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        let mut complain =
            |what: &str| complaints.push(format!("{}:{}: {what}", file.path, index + 1));
        for host in hosts {
            if line.contains(host) {
                complain(host);
            }
        }
        for path in homes.into_iter().chain([root]) {
            // `/work` in `net/work` is no path of ours.
            let starts_a_path = |(at, _): (usize, &str)| {
                !line[..at].ends_with(|c: char| c.is_alphanumeric() || "._-/*}".contains(c))
            };
            if line.match_indices(path).any(starts_a_path) {
                complain(path);
            }
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> File {
        File { path: path.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn a_source_of_more_lines_than_allowed_is_seen() {
        let lines = |count| "x\n".repeat(count);
        let files = [
            file("a.rs", &lines(400)),
            file("b.rs", &lines(401)),
            file("scripts/c", &lines(401)),
            file("d.md", &lines(401)),
        ];
        let expected =
            ["b.rs", "scripts/c"].map(|path| format!("{path} has 401 lines of at most 400"));
        let unexcused: Vec<_> =
            too_long(&files).into_iter().filter(|line| line.contains("401")).collect();
        assert_eq!(unexcused, expected);
    }

    #[test]
    fn blanks_that_nobody_sees_are_seen() {
        assert_eq!(blanks(&file("a", "fine\n\n    fine\n")), [] as [String; 0]);
        assert_eq!(blanks(&file("a", "")), [] as [String; 0]);
        for text in ["a\tb\n", "a \n", "a\r\n", "a"] {
            assert_eq!(blanks(&file("a", text)).len(), 1, "{text:?}");
        }
    }

    #[test]
    fn a_note_without_an_explanation_is_seen() {
        let note = concat!("TO", "DO");
        for bare in
            [format!("// {note}\n"), format!("// {note}: fix\n"), format!("x // {note}(me)\n")]
        {
            assert_eq!(bare_notes(&file("a.rs", &bare)).len(), 1, "{bare}");
        }
        let fine = format!("// {note}: classic servers cannot stream; see wire.md\nMY_{note}S\n");
        assert_eq!(bare_notes(&file("a.rs", &fine)), [] as [String; 0]);
    }

    #[test]
    fn a_registry_and_a_path_of_the_machine_are_seen() {
        let root = "/build/here";
        let registry = format!("see {}\n", concat!("crates", ".io"));
        let home = format!("cd {}me\n", concat!("/", "home/"));
        for text in [registry.as_str(), &home, "cd /build/here/mpim\n", "DIR=/build/here\n"] {
            assert_eq!(places(&file("README.md", text), root).len(), 1, "{text}");
            assert_eq!(places(&file("Cargo.lock", text), root), [] as [String; 0]);
        }
        assert_eq!(places(&file("a", "web/build/here and $HOME/x\n"), root), [] as [String; 0]);
    }
}
