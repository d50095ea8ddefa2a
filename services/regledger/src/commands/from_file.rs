//! Arguments that may name a file: `@key.pem`.

/// A text, or with `@` before it the content of a file.
pub(super) fn text_or_file(text: &str) -> Result<String, String> {
    match text.strip_prefix('@') {
        Some(path) => std::fs::read_to_string(path).map_err(|error| format!("cannot read {path}: {error}")),
        None => Ok(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_where_one_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "from a file\n").unwrap();
        assert_eq!(text_or_file(&format!("@{}", file.path().display())).unwrap(), "from a file\n");
        assert_eq!(text_or_file("a@b").unwrap(), "a@b");
        assert!(text_or_file("@").unwrap_err().contains("cannot read"));
    }
}
