//! Every setting: its name, what it means and its default. Flags, variables, the file and the documentation come from here.

/// A setting of the process.
#[derive(Debug)]
pub struct Setting {
    /// Its name in the file, with its table: `http.public_url`.
    pub key: &'static str,
    /// What its value is, in a word, for help texts.
    pub value: &'static str,
    /// Its value when nothing is said; empty: none, or what `help` says.
    pub default: &'static str,
    /// What it means, in a sentence.
    pub help: &'static str,
    /// How its value is written.
    pub form: Form,
    /// Whether its value may hold something that is not to be shown.
    pub secret: bool,
}

/// How a value is written in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A string.
    Text,
    /// An integer.
    Number,
    /// An array of strings; elsewhere separated by commas.
    List,
}

const fn setting(form: Form, [key, value, default]: [&'static str; 3], help: &'static str) -> Setting {
    Setting { key, value, default, help, form, secret: false }
}

/// Every setting, in the order in which they are shown: those without a table first.
pub const SETTINGS: &[Setting] = &[
    setting(
        Form::Text,
        ["data_dir", "DIR", "regledger-data"],
        "Directory of the ledger, the keys and the client table.",
    ),
    setting(
        Form::Text,
        ["listen", "ADDRESS", "127.0.0.1:8080"],
        "Address and port on which HTTP is served; port 0 takes a free one.",
    ),
    setting(Form::List, ["roles", "ROLES", "intake,projector,query"], "The parts of regledger that this process runs."),
    setting(
        Form::Text,
        ["ledger", "BACKEND", "sqlite"],
        "What keeps the ledger: sqlite, or memory for measurements (nothing survives the process).",
    ),
    setting(Form::Text, ["state", "BACKEND", "sqlite"], "What keeps the client table and the changes: sqlite."),
    setting(
        Form::Text,
        ["admin_token_file", "FILE", ""],
        "Holds the administrator's token, made by the first start. Left out: admin-token in the data directory.",
    ),
    setting(
        Form::Text,
        ["kek.file", "FILE", ""],
        "Holds the key-encryption key in base64, made by the first start. Left out: kek in the data directory. \
         Keep a copy elsewhere: without it no secret can be opened.",
    ),
    Setting {
        secret: true,
        ..setting(
            Form::List,
            ["kek.command", "ARGV", ""],
            "Command and arguments that print the key-encryption key in base64, instead of kek.file.",
        )
    },
    setting(
        Form::Text,
        ["http.public_url", "URL", ""],
        "Where the outside reaches this server: hookup URLs begin with it. Left out: scheme and host of the request.",
    ),
    setting(Form::List, ["http.trusted_proxies", "CIDRS", ""], "Proxies whose forwarding headers are believed."),
    setting(
        Form::Number,
        ["http.max_connections", "N", "4096"],
        "Connections that are served at a time; further ones wait.",
    ),
    setting(
        Form::Number,
        ["http.wrong_keys_per_minute", "N", "60"],
        "Wrong hookup keys that one address may try in a minute before it is answered 429. A right key is never limited.",
    ),
    setting(
        Form::Text,
        ["log.format", "FORMAT", "human"],
        "How log lines are written: human, or json for one object a line.",
    ),
    setting(
        Form::Text,
        ["log.level", "FILTER", "info"],
        "What is logged: error, warn, info, debug or trace; or by target, as in info,intake=debug.",
    ),
    setting(
        Form::Number,
        ["disk.min_free_bytes", "BYTES", "268435456"],
        "With fewer free bytes than this in the data directory the process says that it is not ready.",
    ),
    setting(
        Form::Number,
        ["shutdown.drain_seconds", "SECONDS", "10"],
        "How long requests may go on once the process was told to stop.",
    ),
    setting(
        Form::Number,
        ["stream.heartbeat_seconds", "SECONDS", "15"],
        "How long a change stream may be silent before a heartbeat.",
    ),
];

impl Setting {
    /// The setting of a name.
    pub fn named(key: &str) -> Option<&'static Self> {
        SETTINGS.iter().find(|setting| setting.key == key)
    }

    /// Its variable: `REGLEDGER_HTTP_PUBLIC_URL`.
    pub fn variable(&self) -> String {
        format!("REGLEDGER_{}", self.key.replace('.', "_").to_ascii_uppercase())
    }

    /// Its flag without the dashes: `http-public-url`.
    pub fn flag(&self) -> String {
        self.key.replace(['.', '_'], "-")
    }
}

/// The candidate most like a word that is not among them, if one is like it at all.
pub fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .map(|candidate| (distance(word, candidate), candidate))
        .min()
        .filter(|(edits, candidate)| *edits <= candidate.len().div_ceil(3).max(2))
        .map(|(_, candidate)| candidate)
}

/// How many insertions, deletions and replacements make one word the other (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, to) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(from != to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
