//! Passwords inside URLs, which are not for showing.

/// What stands for a secret.
pub(super) const MASK: &str = "(secret)";

/// The text with the password of each URL in it replaced: `mysql://mpim:(secret)@10.0.0.5/mpim`.
/// Hides too much rather than too little: a password may hold whatever else ends a URL.
pub(super) fn urls(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("://") {
        let (before, after) = rest.split_at(start + 3);
        masked.push_str(before);
        let (url, after) = after.split_at(next_url(after));
        match password_in(url) {
            Some((user, host)) => masked.extend([user, ":", MASK, "@", host]),
            None => masked.push_str(url),
        }
        rest = after;
    }
    masked.push_str(rest);
    masked
}

/// Where the scheme of the next URL begins, or the text ends. A `://` inside a word belongs to what
/// was before it.
fn next_url(text: &str) -> usize {
    let mut scheme_starts = text.match_indices("://").map(|(end, _)| {
        let scheme = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
        text[..end].trim_end_matches(scheme).len()
    });
    let begins = |start: &usize| {
        text[..*start].ends_with(|c: char| c.is_whitespace() || "\"'`,(".contains(c))
    };
    scheme_starts.find(begins).unwrap_or(text.len())
}

/// What is before and after the password, for what follows the scheme of a URL that has one.
fn password_in(url: &str) -> Option<(&str, &str)> {
    // The last one: a password may hold an `@` that somebody forgot to escape.
    let (user, host) = url.rsplit_once('@')?;
    let (user, password) = user.split_once(':')?;
    // `[:password@]` tells how to write one.
    let is_placeholder = password == "password" && user.ends_with('[') && host.starts_with(']');
    (!is_placeholder).then_some((user, host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_password_of_a_url_is_masked() {
        for (text, masked) in [
            ("mysql://mpim:hush@a:3306/mpim_user", "mysql://mpim:(secret)@a:3306/mpim_user"),
            ("redis://:hush@a:1, redis://b:2", "redis://:(secret)@a:1, redis://b:2"),
            ("\"mysql://u:p/a@s:s@a\" is wrong", "\"mysql://u:(secret)@a\" is wrong"),
            ("mysql://u:it's \"a@b\" `c`@h/d", "mysql://u:(secret)@h/d"),
            ("mysql://u:a://b@h/d", "mysql://u:(secret)@h/d"),
            ("redis://u:a@h, mysql://u:b@i/d", "redis://u:(secret)@h, mysql://u:(secret)@i/d"),
            ("redis://[user][:password@]host:port", "redis://[user][:password@]host:port"),
            ("redis://[user][:hush@]host:port", "redis://[user][:(secret)@]host:port"),
            ("static://127.0.0.1:8010,127.0.0.1:8110", "static://127.0.0.1:8010,127.0.0.1:8110"),
            ("mysql://mpim@a/x", "mysql://mpim@a/x"),
            ("a@b: no URL", "a@b: no URL"),
            ("", ""),
        ] {
            assert_eq!(urls(text), masked);
        }
    }
}
