//! The documented default configuration file, written from the table of settings.

use super::table::{Form, SETTINGS, Setting};

const HEAD: &str = "\
# The settings of regledger and their defaults: take away the # before a name to change it.
# A flag beats a variable (REGLEDGER_ and the name in capitals, _ for the dot), which beats this file, which beats
# the default; `regledger config show` says where each value comes from. The file is the one that --config names,
# else regledger.toml in the data directory, else regledger.toml in the working directory.
";

/// Columns of a comment.
const WIDTH: usize = 116;

/// The documented default configuration file.
pub fn example() -> String {
    let mut text = HEAD.to_owned();
    let mut table = "";
    for setting in SETTINGS {
        let (this, name) = setting.key.split_once('.').unwrap_or(("", setting.key));
        if this != table {
            table = this;
            text.push_str(&format!("\n[{table}]\n"));
        } else {
            text.push('\n');
        }
        text.push_str(&format!("{}\n#{name} = {}\n", comment(setting.help), default(setting)));
    }
    text
}

fn comment(help: &str) -> String {
    let mut lines = vec![String::from("#")];
    for word in help.split_whitespace() {
        if lines.last().is_some_and(|line| line.len() + 1 + word.len() > WIDTH) {
            lines.push(String::from("#"));
        }
        if let Some(line) = lines.last_mut() {
            line.push(' ');
            line.push_str(word);
        }
    }
    lines.join("\n")
}

fn default(setting: &Setting) -> String {
    match setting.form {
        Form::Number => setting.default.to_owned(),
        Form::Text => format!("{:?}", setting.default),
        Form::List => {
            let items = setting.default.split(',').filter(|item| !item.is_empty());
            format!("[{}]", items.map(|item| format!("{item:?}")).collect::<Vec<_>>().join(", "))
        }
    }
}
