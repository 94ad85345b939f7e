//! Values that stand in files of their own: `url_file = "/run/secrets/url"` for the key `url`, as
//! secrets are handed to containers.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt as _;

use toml::Value;

use super::load::Effective;
use super::{Origin, key, mask};

/// What a file may hold; a path to something else altogether is noticed before it is read in whole.
const BYTES_MAX: u64 = 64 * 1024;

impl Effective {
    /// Takes the value of a text key from the file that `<key>_file` names, if `named` is such a key.
    /// Whether it is.
    pub(super) fn text_file(&mut self, named: &str, path: &Value, origin: &Origin) -> bool {
        let Some(key) = named.strip_suffix("_file") else {
            return false;
        };
        match key::get(&self.defaults, key) {
            Some(Value::String(_)) => {}
            Some(Value::Table(_)) | None => return false,
            Some(_) => {
                let what = format!("only texts can come from a file, and `{key}` is none");
                self.problem(named, origin.clone(), what);
                return true;
            }
        }
        if self.origins.get(key).is_some_and(|earlier| same_layer(earlier, origin)) {
            let what = format!("`{key}` is given as well: one of them is enough");
            self.problem(named, origin.clone(), what);
            return true;
        }
        match path.as_str().map(read) {
            None => self.problem(named, origin.clone(), "must be the path of a file".to_owned()),
            Some(Err(why)) => {
                let what = format!("{why}: it must hold the value of `{key}`");
                self.problem(named, origin.clone(), what);
            }
            Some(Ok(file)) => self.take(key, file, origin),
        }
        true
    }

    fn take(&mut self, key: &str, file: TextFile, set_by: &Origin) {
        let secret = key::is_secret(key) || mask::urls(&file.text) != file.text;
        if file.others_may_read && secret {
            let path = &file.path;
            self.warnings
                .push(format!("{path} holds the secret `{key}` and everybody may read it"));
        }
        let origin = Origin::TextFile { path: file.path.into(), set_by: Box::new(set_by.clone()) };
        self.value(key, Value::String(file.text), origin);
    }
}

/// Whether both stand in the file, or both in the environment: then neither is over the other.
fn same_layer(a: &Origin, b: &Origin) -> bool {
    std::mem::discriminant(a.given_at()) == std::mem::discriminant(b.given_at())
}

struct TextFile {
    path: String,
    text: String,
    others_may_read: bool,
}

/// The file's text without the newline at its end, or why there is none.
fn read(path: &str) -> Result<TextFile, String> {
    if path.is_empty() {
        return Err("names no file".to_owned());
    }
    // It may be the value itself, in the wrong place.
    let failed = |error: std::io::Error| format!("cannot read {}: {error}", mask::urls(path));
    let file = File::open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.permissions().mode();
    let mut bytes = Vec::new();
    file.take(BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > BYTES_MAX {
        return Err(format!("{path} is longer than {BYTES_MAX} bytes"));
    }
    let text = String::from_utf8(bytes).map_err(|_| format!("{path} is not UTF-8"))?;
    let text = text
        .strip_suffix('\n')
        .map_or(text.as_str(), |text| text.strip_suffix('\r').unwrap_or(text));
    if text.is_empty() {
        return Err(format!("{path} is empty"));
    }
    let others_may_read = mode & 0o004 != 0;
    Ok(TextFile { path: path.to_owned(), text: text.to_owned(), others_may_read })
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::path::Path;

    use tempfile::TempDir;

    use super::super::load::{Layers, defaults_of};
    use super::super::tests::{Config, from};

    /// A file with this text, readable by its owner alone.
    fn file(dir: &TempDir, text: &[u8]) -> String {
        let path = dir.path().join("secret");
        std::fs::write(&path, text).unwrap();
        make_mode(&path, 0o600);
        path.to_str().unwrap().to_owned()
    }

    fn make_mode(path: &Path, mode: u32) {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_text_comes_from_the_file_that_the_configuration_or_the_environment_names() {
        let dir = TempDir::new().unwrap();
        for (text, value) in
            [("hush", "hush"), ("hush\n", "hush"), (" two\nlines \r\n", " two\nlines ")]
        {
            let path = file(&dir, text.as_bytes());
            let toml = format!("[token]\nsecret_file = \"{path}\"\n");
            assert_eq!(from(&toml, &[]).unwrap().token.secret, value);
            let env = [("MPIM_TOKEN__SECRET_FILE", path.as_str())];
            // The environment is over the file, however either is given.
            assert_eq!(from("[token]\nsecret = \"other\"\n", &env).unwrap().token.secret, value);
        }
    }

    #[test]
    fn the_environment_is_over_a_file_that_the_configuration_names() {
        let dir = TempDir::new().unwrap();
        let toml = format!("[token]\nsecret_file = \"{}\"\n", file(&dir, b"hush"));
        let config = from(&toml, &[("MPIM_TOKEN__SECRET", "other")]).unwrap();
        assert_eq!(config.token.secret, "other");
    }

    #[test]
    fn a_file_that_cannot_be_the_value_is_named_with_its_key_and_what_would_be_right() {
        let dir = TempDir::new().unwrap();
        let error =
            |path: &str| from(&format!("[token]\nsecret_file = \"{path}\"\n"), &[]).unwrap_err();
        let right = ": it must hold the value of `token.secret`";
        assert_eq!(
            error("no/such"),
            format!(
                "x.toml:2: `token.secret_file`: cannot read no/such: No such file or directory \
                 (os error 2){right}"
            )
        );
        assert_eq!(error(""), format!("x.toml:2: `token.secret_file`: names no file{right}"));
        let value = error("mysql://u:hush@h/d");
        assert!(value.contains("cannot read mysql://u:(secret)@h/d: "), "{value}");
        for (text, why) in [
            (&b"\n"[..], "is empty"),
            (&[0xff, 0xfe], "is not UTF-8"),
            (&vec![b'a'; 65_537], "is longer than 65536 bytes"),
        ] {
            let path = file(&dir, text);
            let expected = format!("x.toml:2: `token.secret_file`: {path} {why}{right}");
            assert_eq!(error(&path), expected);
        }
        assert_eq!(
            from("token = { secret_file = 5 }\n", &[]).unwrap_err(),
            "x.toml:1: `token.secret_file`: must be the path of a file"
        );
    }

    #[test]
    fn a_value_and_a_file_for_it_in_one_place_are_one_too_many() {
        let toml = "[token]\nsecret = \"hush\"\nsecret_file = \"x\"\n";
        assert_eq!(
            from(toml, &[]).unwrap_err(),
            "x.toml:3: `token.secret_file`: `token.secret` is given as well: one of them is enough"
        );
    }

    #[test]
    fn only_texts_come_from_files() {
        assert_eq!(
            from("[limits]\nmembers_max_file = \"x\"\n", &[]).unwrap_err(),
            "x.toml:2: `limits.members_max_file`: only texts can come from a file, and \
             `limits.members_max` is none"
        );
        assert_eq!(
            from("[token]\nsecrt_file = \"x\"\n", &[]).unwrap_err(),
            "x.toml:2: `token.secrt_file`: unknown key; the nearest known one is `token.secret`"
        );
    }

    #[test]
    fn what_is_wrong_with_the_text_is_said_with_the_file_that_it_is_in() {
        let dir = TempDir::new().unwrap();
        let path = file(&dir, b"nowhere\n");
        let toml = format!("\n[rpc]\nlisten_file = \"{path}\"\n");
        assert_eq!(
            from(&toml, &[]).unwrap_err(),
            "x.toml:3, file /secret: `rpc.listen`: invalid socket address syntax; for example, the \
             default is \"127.0.0.1:8010\""
                .replace("/secret", &path)
        );
    }

    #[test]
    fn a_secret_that_everybody_may_read_is_warned_of() {
        let dir = TempDir::new().unwrap();
        let path = file(&dir, b"mysql://u:hush@a/b");
        let warnings = |key: &str| {
            let env = vec![(format!("MPIM_{key}").into(), path.clone().into())];
            let layers = Layers { env_prefix: "MPIM", env, ..Layers::default() };
            layers.over(defaults_of::<Config>().unwrap()).unwrap().warnings
        };
        assert_eq!(warnings("TOKEN__SECRET_FILE"), [] as [&str; 0]);
        make_mode(Path::new(&path), 0o644);
        let expected = |key| [format!("{path} holds the secret `{key}` and everybody may read it")];
        assert_eq!(warnings("TOKEN__SECRET_FILE"), expected("token.secret"));
        assert_eq!(warnings("DATA_DIR_FILE"), expected("data_dir"));
    }
}
