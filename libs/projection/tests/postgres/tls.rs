//! TLS is what `sslmode` and `sslrootcert` of the URL say, as with libpq.

use acceptance::Postgres;
use projection::PostgresStore;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;

use crate::conformance::PARTITIONS;
use crate::said;

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A server whose certificate is for 127.0.0.1 alone.
fn server(authority: &Authority) -> Postgres {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, authority).unwrap();
    Postgres::start_with_tls(&certificate.pem(), &key.serialize_pem())
}

/// What becomes of opening a store: whether its connections are encrypted, or why it is not opened.
async fn open(postgres: &Postgres, url: &str) -> Result<bool, String> {
    let store = PostgresStore::open(url, "l", PARTITIONS, 2).await.map_err(|error| said(&error))?;
    let ssl = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name =";
    let (server, _) = url.split_once('?').unwrap();
    let encrypted = postgres.sql(&server.replace("localhost", "127.0.0.1"), &format!("{ssl} 'regledger'"));
    drop(store);
    Ok(encrypted == "t")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_as_safe_as_its_url_asks() {
    let (ours, theirs) = (authority(), authority());
    let dir = TempDir::new().unwrap();
    let file = |name: &str, authority: &Authority| {
        let path = dir.path().join(name);
        std::fs::write(&path, authority.pem()).unwrap();
        path.display().to_string()
    };
    let (ours_file, theirs_file) = (file("ours.pem", &ours), file("theirs.pem", &theirs));
    let postgres = server(&ours);
    let cases = [
        ("127.0.0.1", "sslmode=disable".to_owned(), Ok(false)),
        ("127.0.0.1", String::new(), Ok(true)),
        ("127.0.0.1", "sslmode=prefer".to_owned(), Ok(true)),
        ("127.0.0.1", "sslmode=require".to_owned(), Ok(true)),
        ("127.0.0.1", format!("sslmode=verify-full&sslrootcert={ours_file}"), Ok(true)),
        ("127.0.0.1", format!("sslrootcert={ours_file}&sslmode=verify-ca"), Ok(true)),
        ("localhost", "sslmode=require".to_owned(), Ok(true)),
        ("localhost", format!("sslmode=verify-full&sslrootcert={ours_file}"), Err("not valid for name")),
        ("127.0.0.1", format!("sslmode=verify-full&sslrootcert={theirs_file}"), Err("certificate")),
        ("127.0.0.1", format!("sslmode=require&sslrootcert={theirs_file}"), Err("certificate")),
        ("127.0.0.1", "sslmode=verify-full".to_owned(), Err("certificate")),
    ];
    for (host, parameters, expected) in cases {
        let url = postgres.database().replace("127.0.0.1", host);
        let opened = open(&postgres, &format!("{url}?{parameters}")).await;
        match (&opened, expected) {
            (Ok(encrypted), Ok(expected)) => assert_eq!(*encrypted, expected, "{host} {parameters}"),
            (Err(said), Err(reason)) => assert!(said.contains(reason), "{host} {parameters}: {said}"),
            _ => panic!("{host} {parameters}: {opened:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_tls_is_taken_only_where_that_may_be() {
    let postgres = Postgres::shared();
    for (mode, expected) in
        [("prefer", Some(false)), ("disable", Some(false)), ("require", None), ("verify-full", None)]
    {
        let url = format!("{}?sslmode={mode}", postgres.database());
        let opened = open(&postgres, &url).await;
        assert_eq!(opened.as_ref().ok().copied(), expected, "{mode}: {opened:?}");
    }
}
