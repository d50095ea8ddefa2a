use std::path::Path;

use rstest::rstest;

use super::*;

fn variables(pairs: &[(&str, &str)]) -> Variables {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn flags(pairs: &[(&'static str, &str)]) -> SettingFlags {
    SettingFlags(pairs.iter().map(|(key, value)| (*key, (*value).to_owned())).collect())
}

/// Reads settings with a file that holds `file`.
fn read(
    given: &[(&'static str, &str)],
    environment: &[(&str, &str)],
    file: &str,
) -> Result<(Settings, Values), SettingError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("regledger.toml");
    std::fs::write(&path, file).unwrap();
    let layers =
        Layers { flags: &flags(given), data_dir: None, config: Some(&path), variables: &variables(environment) };
    let values = layers.values()?;
    Ok((Settings::read(&values)?, values))
}

#[rstest]
#[case::default(&[], &[], "", 8080, "default")]
#[case::file(&[], &[], "listen = '127.0.0.1:1'", 1, "regledger.toml")]
#[case::variable(&[], &[("REGLEDGER_LISTEN", "127.0.0.1:2")], "listen = '127.0.0.1:1'", 2, "REGLEDGER_LISTEN")]
#[case::flag(&[("listen", "127.0.0.1:3")], &[("REGLEDGER_LISTEN", "127.0.0.1:2")], "listen = '127.0.0.1:1'", 3, "--listen")]
#[case::an_empty_variable_says_nothing(&[], &[("REGLEDGER_LISTEN", "")], "", 8080, "default")]
fn the_first_that_says_something_is_believed(
    #[case] given: &[(&'static str, &str)],
    #[case] environment: &[(&str, &str)],
    #[case] file: &str,
    #[case] port: u16,
    #[case] origin: &str,
) {
    let (settings, values) = read(given, environment, file).unwrap();
    assert_eq!(settings.listen.port(), port);
    let said = values.sourced("listen").unwrap().1.to_string();
    assert!(said.ends_with(origin), "{said}");
}

#[test]
fn the_file_is_looked_for_in_the_data_directory() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("regledger.toml"), "log.level = 'debug'").unwrap();
    let layers = Layers {
        flags: &SettingFlags::default(),
        data_dir: Some(dir.path()),
        config: None,
        variables: &Variables::new(),
    };
    let settings = Settings::read(&layers.values().unwrap()).unwrap();
    assert_eq!(settings.log.level, "debug");
    assert_eq!(settings.admin_token_file, dir.path().join("admin-token"));
    assert_eq!(settings.kek, KekSource::File(dir.path().join("kek")));
}

#[test]
fn a_file_that_was_named_must_exist() {
    let layers = Layers {
        flags: &SettingFlags::default(),
        data_dir: None,
        config: Some(Path::new("does-not-exist.toml")),
        variables: &Variables::new(),
    };
    assert!(matches!(layers.values(), Err(SettingError::Read { .. })));
}

#[test]
fn lists_are_arrays_in_the_file_and_separated_by_commas_elsewhere() {
    let proxies = ["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
    let (from_file, _) = read(&[], &[], "[http]\ntrusted_proxies = ['10.0.0.0/8', 'fd00::/8']").unwrap();
    let environment = [("REGLEDGER_HTTP_TRUSTED_PROXIES", "10.0.0.0/8, fd00::/8")];
    let (from_variable, _) = read(&[], &environment, "").unwrap();
    assert_eq!(from_file.http.trusted_proxies, proxies);
    assert_eq!(from_variable.http.trusted_proxies, proxies);
}

#[rstest]
#[case::misspelt("[http]\npublic_ulr = 'x'", "http.public_ulr", Some("http.public_url"))]
#[case::in_the_wrong_table("[http]\nlisten = 'x'", "http.listen", None)]
#[case::misspelt_table("[htp]\npublic_url = 'x'", "htp", None)]
#[case::nothing_like_it("elephants = 3", "elephants", None)]
fn a_key_that_is_no_setting_is_refused(
    #[case] file: &str,
    #[case] expected_key: &str,
    #[case] expected_nearest: Option<&str>,
) {
    let error = read(&[], &[], file).unwrap_err();
    let SettingError::UnknownKey { key, hint, .. } = error else { panic!("{error}") };
    assert_eq!(key, expected_key);
    if let Some(nearest) = expected_nearest {
        assert_eq!(hint, format!("; did you mean {nearest}?"));
    }
}

#[rstest]
#[case::no_port("listen = 'localhost'", "listen")]
#[case::role_twice("roles = ['query', 'query']", "roles")]
#[case::no_role("roles = []", "roles")]
#[case::unknown_role("roles = ['dance']", "roles")]
#[case::unknown_ledger("ledger = 'paper'", "ledger")]
#[case::public_url_of_another_scheme("http.public_url = 'ftp://x'", "http.public_url")]
#[case::proxies_that_are_none("http.trusted_proxies = ['everybody']", "http.trusted_proxies")]
#[case::no_connections("http.max_connections = 0", "http.max_connections")]
#[case::negative("disk.min_free_bytes = -1", "disk.min_free_bytes")]
#[case::two_sources_of_the_key("kek.file = 'f'\nkek.command = ['c']", "kek.command")]
fn a_value_that_makes_no_sense_is_refused(#[case] file: &str, #[case] expected: &str) {
    let error = read(&[], &[], file).unwrap_err();
    let SettingError::Wrong { key, .. } = &error else { panic!("{error}") };
    assert_eq!(*key, expected);
    assert!(!error.is_usage());
}

#[test]
fn a_wrong_flag_is_a_usage_error() {
    assert!(read(&[("listen", "here")], &[], "").unwrap_err().is_usage());
}

#[rstest]
#[case::table("[kafka]\n\"security.protocol\" = 'SSL'\nretries = 3", &[("security.protocol", "SSL"), ("retries", "3")])]
#[case::names_that_toml_takes_apart("[kafka]\nsecurity.protocol = 'SSL'\nsasl.username = 'u'",
    &[("security.protocol", "SSL"), ("sasl.username", "u")])]
#[case::inline("kafka = {debug = 'all'}", &[("debug", "all")])]
#[case::none("", &[])]
fn settings_of_the_kafka_client_go_by_its_names(#[case] file: &str, #[case] expected: &[(&str, &str)]) {
    assert_eq!(read(&[], &[], file).unwrap().0.kafka, variables(expected));
}

#[test]
fn settings_of_the_kafka_client_are_pairs_in_flags_and_variables() {
    let pairs = "security.protocol = SSL, sasl.password=a=b";
    let expected = variables(&[("security.protocol", "SSL"), ("sasl.password", "a=b")]);
    assert_eq!(read(&[("kafka", pairs)], &[], "").unwrap().0.kafka, expected);
    assert_eq!(read(&[], &[("REGLEDGER_KAFKA", pairs)], "").unwrap().0.kafka, expected);
}

#[rstest]
#[case(&[], "accept_unsafe_topics = true", Some(true))]
#[case(&[("accept_unsafe_topics", "true")], "", Some(true))]
#[case(&[("accept_unsafe_topics", "false")], "accept_unsafe_topics = true", Some(false))]
#[case(&[("accept_unsafe_topics", "yes")], "", None)]
#[case(&[], "accept_unsafe_topics = 1", None)]
fn a_switch_is_true_or_false(
    #[case] given: &[(&'static str, &str)],
    #[case] file: &str,
    #[case] expected: Option<bool>,
) {
    assert_eq!(read(given, &[], file).ok().map(|(settings, _)| settings.accept_unsafe_topics), expected);
}

#[rstest]
#[case::neither("", true)]
#[case::the_ledger("ledger = 'kafka://h:1/t'", true)]
#[case::the_state_store("state = 'postgres://h/d'", true)]
#[case::both("ledger = 'kafka://h:1/t'\nstate = 'postgres://h/d'", false)]
fn a_process_is_embedded_unless_everything_is_shared(#[case] file: &str, #[case] expected: bool) {
    assert_eq!(read(&[], &[], file).unwrap().0.is_embedded(), expected);
}

#[rstest]
#[case("listen = 8080")]
#[case("roles = 'intake'")]
#[case("http.max_connections = 'many'")]
fn a_value_of_another_type_is_refused(#[case] file: &str) {
    let error = read(&[], &[], file).unwrap_err();
    assert!(matches!(error, SettingError::Wrong { .. }), "{error}");
}

#[rstest]
#[case("1", false)]
#[case("2", true)]
#[case("128", true)]
#[case("129", false)]
#[case("many", false)]
fn a_ledger_has_as_many_partitions_as_a_store_has_room_for(#[case] text: &str, #[case] is_accepted: bool) {
    assert_eq!(read(&[("partitions", text)], &[], "").is_ok(), is_accepted);
}

#[test]
fn a_file_that_is_no_toml_is_refused_without_quoting_it() {
    let error = read(&[], &[], "listen = '127.0.0.1:1'\n[kafka]\n\"sasl.password\" = s3cret\n").unwrap_err();
    let said = format!("{error} {error:?}");
    assert!(said.contains("line 3") && !said.contains("s3cret"), "{said}");
}

#[test]
fn values_with_commas_are_given_to_the_kafka_client_in_lines() {
    let expected = variables(&[("sasl.username", "u"), ("sasl.password", "a,b=c")]);
    assert_eq!(read(&[("kafka", "sasl.username=u\nsasl.password=a,b=c\n")], &[], "").unwrap().0.kafka, expected);
}

/// The documented file with the # before each name taken away.
fn in_force() -> String {
    let lines = DOCUMENTED.lines().map(|line| match line.strip_prefix('#') {
        Some(rest) if !rest.starts_with(' ') => rest,
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_documented_file_says_what_holds_without_it() {
    let (documented, from_file) = read(&[], &[], &in_force()).unwrap();
    for file in ["", DOCUMENTED] {
        assert_eq!(documented, read(&[], &[], file).unwrap().0);
    }
    for setting in SETTINGS.iter() {
        let origin = from_file.sourced(&setting.key).unwrap().1;
        assert!(matches!(origin, Origin::File(_)), "{}: {origin}", setting.key);
        assert!(!setting.help.is_empty(), "{} is not explained", setting.key);
    }
    assert_eq!(SETTINGS.len(), in_force().lines().filter(|line| line.contains(" = ")).count());
}

#[test]
fn every_setting_is_read() {
    for setting in SETTINGS.iter().filter(|setting| setting.key != "data_dir") {
        let senseless = match &setting.default {
            toml::Value::String(_) => "\0",
            _ => "-1",
        };
        let read = read(&[(&setting.key, senseless)], &[], "");
        let accepts_any_text = [
            "admin_token_file",
            "egress.ca_file",
            "smtp.host",
            "smtp.user",
            "smtp.password_file",
            "smtp.from",
            "kek.file",
            "kek.command",
            "log.level",
        ]
        .contains(&setting.key.as_str());
        assert_eq!(read.is_ok(), accepts_any_text, "{}", setting.key);
    }
}

#[test]
fn settings_of_one_table_stand_together() {
    let mut tables: Vec<&str> = SETTINGS.iter().map(|s| s.key.split_once('.').map_or("", |(table, _)| table)).collect();
    tables.dedup();
    let mut once = tables.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(tables.len(), once.len(), "{tables:?}");
}
